//! The command line.

use std::{env, path::PathBuf};

use crate::{
    common::call::{self, Call},
    rows::{ROWS, Row},
};

/// The options of a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Runs of each row.
    pub(crate) runs: usize,
    pub(crate) rows: Vec<&'static Row>,
    /// Measures this crate's application only.
    pub(crate) alone: bool,
    /// The file for the figures as JSON.
    pub(crate) json: Option<PathBuf>,
    /// The file for the plot of exit times against connections, which are measured only with this option.
    pub(crate) plot: Option<PathBuf>,
}

const RUNS: usize = 21;

impl Options {
    pub(crate) fn from_arguments() -> Result<Call<Self>, String> {
        let mut options =
            Self { runs: RUNS, rows: ROWS.iter().collect(), alone: false, json: None, plot: None };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                // Added by cargo bench.
                "--bench" => {}
                "--serve" => return Ok(Call::Serve(arguments.collect())),
                "--runs" => options.runs = call::runs(&value()?)?,
                "--only" => {
                    options.rows = value()?.split(',').map(Row::named).collect::<Result<_, _>>()?;
                }
                "--alone" => options.alone = true,
                "--json" => options.json = Some(value()?.into()),
                "--plot" => options.plot = Some(value()?.into()),
                other => {
                    let known = Row::names().join(",");
                    return Err(format!(
                        "unknown argument `{other}`; there are --runs N, --only ROW,…, --alone, --json FILE, \
                         --plot FILE, and the rows {known}"
                    ));
                }
            }
        }
        Ok(Call::Measure(options))
    }
}

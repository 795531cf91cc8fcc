//! The command line.

use std::{env, path::PathBuf};

use crate::{
    common::call::{self, Call},
    rows::{ROWS, Row},
};

/// The options of a measurement.
#[derive(Debug)]
pub(crate) struct Options {
    /// Runs of each row; slow rows have fewer.
    pub(crate) runs: usize,
    pub(crate) rows: Vec<&'static Row>,
    /// The file for the figures as JSON.
    pub(crate) json: Option<PathBuf>,
}

const RUNS: usize = 7;

impl Options {
    pub(crate) fn from_arguments() -> Result<Call<Self>, String> {
        let mut options = Self { runs: RUNS, rows: ROWS.iter().collect(), json: None };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                // Added by cargo bench.
                "--bench" => {}
                "--serve" => return Ok(Call::Serve(arguments.collect())),
                "--runs" => options.runs = call::runs(&value()?)?,
                "--rows" => {
                    options.rows = value()?.split(',').map(Row::named).collect::<Result<_, _>>()?;
                }
                "--json" => options.json = Some(value()?.into()),
                other => {
                    let known = Row::names().join(",");
                    return Err(format!(
                        "unknown argument `{other}`; there are --runs N, --rows NAME,…, --json FILE, and the rows {known}"
                    ));
                }
            }
        }
        Ok(Call::Measure(options))
    }
}

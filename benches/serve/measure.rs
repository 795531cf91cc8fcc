//! Runs the measurement: every row, every run, the servers of a run one after another.

use std::{fs, io};

use crate::{
    common::{limits::allow_many_files, servers::Framework},
    options::Options,
    rows::Row,
    stage::Programs,
    table::{self, Measured},
};

/// Measures the chosen rows, and prints the table.
pub(crate) fn all(options: &Options) -> io::Result<()> {
    allow_many_files();
    let programs = Programs::install()?;
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    for &row in &options.rows {
        if let Some(tool) = row.work.tool().filter(|tool| !tool.is_there()) {
            eprintln!("{}: left out, since the package {} is not installed", row.name, tool.package());
            continue;
        }
        let runs = row.runs(options.runs);
        eprintln!("{}: {runs} runs", row.name);
        match of_row(row, runs, &programs) {
            Ok(figures) => measured.push(figures),
            Err(error) => failed.push(error.to_string()),
        }
    }
    print!("{}", table::text(&measured));
    if let Some(path) = &options.json {
        fs::write(path, format!("{:#}\n", table::json(&measured)))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}

fn of_row(row: &'static Row, runs: usize, programs: &Programs) -> io::Result<Measured> {
    let mut samples = [const { Vec::new() }; 3];
    for run in 0..runs {
        for place in 0..Framework::ALL.len() {
            // The order changes from run to run.
            let index = (place + run) % Framework::ALL.len();
            let framework = Framework::ALL[index];
            let sample = row.work.measure(&programs.stage(framework, row.transport));
            let explained = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}, {framework}: {error}", row.name))
            };
            samples[index].push(sample.map_err(explained)?);
        }
    }
    Ok(Measured { row, samples })
}

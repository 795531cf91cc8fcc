//! Runs the measurement: every row, every run, the columns of a row one after another.

use std::{fs, io, thread};

use crate::{
    common::limits::allow_many_files,
    options::Options,
    plot,
    programs::{Kind, Programs},
    rows::Row,
    scene::{AGE, Sample, Scene},
    table::{self, Cell},
};

/// After this many exits that had to be killed, a column is not measured again.
const NEVER: usize = 3;

/// With more connections than these the servers are measured one by one: each connection needs a local port and a
/// descriptor of this process.
const AT_ONCE: usize = 1000;

/// Measures the chosen rows, and prints the table.
pub(crate) fn all(options: &Options) -> io::Result<()> {
    allow_many_files();
    let programs = Programs::install()?;
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    for &row in &options.rows {
        eprintln!("{}: {} runs", row.name, row.runs(options.runs));
        match cells(row, &programs, options) {
            Ok(cells) => measured.push((row, cells)),
            Err(error) => failed.push(format!("{}: {error}", row.name)),
        }
    }
    print!("{}", table::text(&measured));
    if let Some(path) = &options.json {
        fs::write(path, format!("{:#}\n", table::json(options.runs, &measured)))?;
    }
    if let Some(path) = &options.plot {
        plot::measure(path, &programs, options.runs.min(5))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}

fn cells(row: &Row, programs: &Programs, options: &Options) -> io::Result<[Cell; 3]> {
    let mut cells = row.columns().map(|kind| Cell { kind, samples: Vec::new() });
    for run in 0..row.runs(options.runs) {
        // The order of the columns changes from run to run.
        let order = [0, 1, 2].map(|place| (place + run) % 3);
        let order = order.into_iter().filter(|&place| place == 0 || !options.alone);
        let order: Vec<_> = order.filter(|&place| !cells[place].never_ends(NEVER)).collect();
        let kinds: Vec<_> = order.iter().map(|&place| cells[place].kind).collect();
        for (place, sample) in order.into_iter().zip(side_by_side(row, programs, &kinds)?) {
            cells[place].samples.push(sample);
        }
    }
    Ok(cells)
}

/// One exit of each column. Scenes that must age do so together; otherwise each server is started just before its
/// measurement.
fn side_by_side(row: &Row, programs: &Programs, kinds: &[Kind]) -> io::Result<Vec<Sample>> {
    let situation = row.situation;
    let set = |&kind: &Kind| Scene::set(row, kind, programs);
    if !situation.ages() || situation.connections() > AT_ONCE {
        return kinds
            .iter()
            .map(|kind| {
                let scene = set(kind)?;
                if situation.ages() {
                    thread::sleep(AGE);
                }
                scene.exit()
            })
            .collect();
    }
    let scenes = kinds.iter().map(set).collect::<io::Result<Vec<_>>>()?;
    thread::sleep(AGE);
    scenes.into_iter().map(Scene::exit).collect()
}

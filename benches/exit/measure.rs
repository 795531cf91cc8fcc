//! Runs the measurement: every row, every run, the columns of a row one after another.

use std::{fs, io, thread};

use crate::{
    options::Options,
    plot,
    process::{Kind, Process, Programs},
    rows::Row,
    scene::{AGE, Sample, Scene},
    table::{self, Cell},
};

/// After this many exits that had to be killed, a column is not measured again.
const NEVER: usize = 3;

/// Measures the chosen rows, and prints the table.
pub(crate) fn all(options: &Options) -> io::Result<()> {
    allow_many_files();
    let programs = Programs::install()?;
    let mut measured = Vec::new();
    for &row in &options.rows {
        eprintln!("{}: {} runs", row.name(), options.runs);
        measured.push((row, cells(row, &programs, options)?));
    }
    print!("{}", table::text(&measured));
    if let Some(path) = &options.json {
        fs::write(path, format!("{:#}\n", table::json(options.runs, &measured)))?;
    }
    if let Some(path) = &options.plot {
        plot::measure(path, &programs, options.runs.min(5))?;
    }
    Ok(())
}

fn cells(row: Row, programs: &Programs, options: &Options) -> io::Result<[Cell; 3]> {
    let mut cells = row.columns().map(|kind| Cell { kind, samples: Vec::new() });
    for run in 0..options.runs {
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
fn side_by_side(row: Row, programs: &Programs, kinds: &[Kind]) -> io::Result<Vec<Sample>> {
    let set = |&kind: &Kind| Scene::set(row, Process::start(programs, kind, row.workers())?);
    // Each of the many connections needs a local port and a descriptor of this process.
    if !row.ages() || row == Row::Crowd {
        return kinds
            .iter()
            .map(|kind| {
                let scene = set(kind)?;
                if row.ages() {
                    thread::sleep(AGE);
                }
                scene.exit(row)
            })
            .collect();
    }
    let scenes = kinds.iter().map(set).collect::<io::Result<Vec<_>>>()?;
    thread::sleep(AGE);
    scenes.into_iter().map(|scene| scene.exit(row)).collect()
}

/// Eleven thousand connections need as many descriptors here, and in the server, which inherits the limit.
#[expect(unsafe_code, reason = "std has no resource limits")]
fn allow_many_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the write and the read. If it fails, connecting fails, and says why.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

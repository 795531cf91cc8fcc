//! Exit time against the number of idle connections, on logarithmic axes.

use std::{error::Error, io, path::Path};

use plotters::prelude::*;

use crate::{
    common::servers::Transport,
    programs::{Kind, Programs},
    rows::Row,
    scene::{AGE, Scene},
    situation::{Age, Situation},
    table::Cell,
};

const CONNECTIONS: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];

/// Measures the exit times and draws the plot.
pub(crate) fn measure(path: &Path, programs: &Programs, runs: usize) -> io::Result<()> {
    let row = |connections| Row {
        name: "plot",
        title: "",
        goal: "",
        situation: Situation::Idle { connections, age: Age::Old },
        transport: Transport::Plain,
    };
    let mut curves = row(0).columns().map(|kind| (kind, Vec::new()));
    for connections in CONNECTIONS {
        eprintln!("plot: {connections} connections, {runs} runs");
        let row = row(connections);
        let mut cells = row.columns().map(|kind| Cell { kind, samples: Vec::new() });
        for _ in 0..runs {
            for cell in &mut cells {
                let scene = Scene::set(&row, cell.kind, programs)?;
                std::thread::sleep(AGE);
                cell.samples.push(scene.exit()?);
            }
        }
        for ((_, curve), cell) in curves.iter_mut().zip(&cells) {
            curve.extend(cell.median().map(|ms| (connections, ms)));
        }
    }
    draw(path, &curves).map_err(|error| io::Error::other(error.to_string()))
}

fn draw(path: &Path, curves: &[(Kind, Vec<(usize, f64)>)]) -> Result<(), Box<dyn Error>> {
    let all = || curves.iter().flat_map(|(_, curve)| curve).map(|&(_, ms)| ms);
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let area = SVGBackend::new(path, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Exit time against idle keep-alive connections (median)", ("sans-serif", 18))
        .margin(12)
        .margin_right(32)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((1_usize..10_000).log_scale(), (least / 2.0..most * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("connections, unused for over a second")
        .y_desc("signal to end of process, ms")
        .light_line_style(BLACK.mix(0.06))
        .draw()?;
    let colors = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
    for ((kind, curve), color) in curves.iter().zip(colors) {
        chart
            .draw_series(LineSeries::new(curve.iter().copied(), color.stroke_width(3)).point_size(4))?
            .label(kind.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

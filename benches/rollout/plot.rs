//! The curve of rejected requests against `ready_delay`, with what was measured behind HAProxy.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use crate::model::Site;

/// Milliseconds of `ready_delay`, and requests that an instance has rejected: by `tests/proxies/rollout.rs`, as shares of
/// 100 requests a second.
const MEASURED: [(u64, f64); 3] = [(0, 71.0), (300, 46.3), (5000, 0.0)];

/// Draws the mean and the most of one instance's rejected requests, with 100 requests a second to it and a request in flight
/// that holds its exit.
pub(crate) fn draw(path: &Path) -> Result<(), Box<dyn Error>> {
    let site = Site { replicas: 1000, duration: 5000, ready_delay: 5200, ..Site::default() };
    let delays = || (0..=site.ready_delay).step_by(20);
    let mean = |ready_delay| Site { ready_delay, ..site }.run().rejected / site.replicas as f64;
    let most = |ready_delay| Site { ready_delay, ..site }.lost_until(site.sufficient_ready_delay()).0;
    let seconds = |ms: u64| ms as f64 / 1000.0;

    let area = SVGBackend::new(path, (800, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Requests that one instance rejects, of 100 a second, behind haproxy.cfg",
            ("sans-serif", 18),
        )
        .margin(12)
        .margin_right(32)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..seconds(site.ready_delay), 0.0..most(0) * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("shutdown.ready_delay, s")
        .y_desc("rejected requests")
        .light_line_style(BLACK.mix(0.06))
        .draw()?;
    let (blue, orange, green) = (RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115));
    chart
        .draw_series(LineSeries::new(
            delays().map(|delay| (seconds(delay), mean(delay))),
            blue.stroke_width(3),
        ))?
        .label("the model, on average")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], blue.stroke_width(3)));
    chart
        .draw_series(LineSeries::new(
            delays().map(|delay| (seconds(delay), most(delay))),
            orange.stroke_width(1),
        ))?
        .label("the model, at the most")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], orange.stroke_width(1)));
    chart
        .draw_series(
            MEASURED.map(|(delay, rejected)| Circle::new((seconds(delay), rejected), 6, green.filled())),
        )?
        .label("measured")
        .legend(move |(x, y)| Circle::new((x + 9, y), 5, green.filled()));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

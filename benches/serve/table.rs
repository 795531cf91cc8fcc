//! The figures, as a table and as JSON.

use serde_json::{Value, json};

use crate::{
    common::{servers::Framework, text_table::aligned},
    metric::{Goal, Metric, Sample},
    rows::Row,
};

/// The figures of a row: those of each server, in the order of [`Framework::ALL`], and of each run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) samples: [Vec<Sample>; 3],
}

const OURS: usize = 0;
const HTTP_SERVER: usize = 1;
const AXUM: usize = 2;

impl Measured {
    /// The figures of one server, a run each; fewer if some runs have none.
    fn values(&self, server: usize, metric: Metric) -> Vec<f64> {
        let value =
            |sample: &Sample| sample.iter().find(|(other, _)| *other == metric).map(|(_, value)| *value);
        self.samples[server].iter().filter_map(value).collect()
    }

    fn median(&self, server: usize, metric: Metric) -> Option<f64> {
        median(self.values(server, metric))
    }

    /// The median of the ratios to `HttpServer` within a run.
    fn ratio(&self, metric: Metric) -> Option<f64> {
        let pairs = self.values(OURS, metric).into_iter().zip(self.values(HTTP_SERVER, metric));
        median(pairs.filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    fn is_met(&self, metric: Metric, goal: Goal) -> Option<bool> {
        goal.is_met(self.median(OURS, metric), self.ratio(metric))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The table in Markdown.
pub(crate) fn text(measured: &[Measured]) -> String {
    let header = ["median", "graceful-exit", "HttpServer", "axum", "ratio to HttpServer", "goal", "met"];
    let mut lines = vec![header.map(str::to_owned)];
    for row in measured {
        for (index, &(metric, goal)) in row.row.lines.iter().enumerate() {
            let title = if index == 0 { format!("{}: ", row.row.title) } else { "– ".to_owned() };
            let figure = |server| {
                row.median(server, metric).map_or_else(|| "–".to_owned(), |value| metric.text(value))
            };
            let ratio = row.ratio(metric).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}"));
            let met = match row.is_met(metric, goal) {
                None => "–",
                Some(true) => "yes",
                Some(false) => "**no**",
            };
            lines.push([
                format!("{title}{}", metric.name()),
                figure(OURS),
                figure(HTTP_SERVER),
                figure(AXUM),
                ratio,
                goal.text(),
                met.to_owned(),
            ]);
        }
    }
    aligned(&lines)
}

pub(crate) fn json(measured: &[Measured]) -> Value {
    let rows = measured.iter().map(|row| {
        let lines = row.row.lines.iter().map(|&(metric, goal)| {
            let servers = Framework::ALL.iter().enumerate().map(|(server, framework)| {
                json!({
                    "server": framework.to_string(),
                    "median": row.median(server, metric),
                    "runs": row.values(server, metric),
                })
            });
            json!({
                "what": metric.name(),
                "goal": goal.text(),
                "ratio": row.ratio(metric),
                "met": row.is_met(metric, goal),
                "servers": servers.collect::<Vec<_>>(),
            })
        });
        json!({ "row": row.row.name, "title": row.row.title, "figures": lines.collect::<Vec<_>>() })
    });
    json!({ "rows": rows.collect::<Vec<_>>() })
}

//! The figures, as a table and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{common::text_table::aligned, programs::Kind, rows::Row, scene::Sample, situation::Situation};

/// The measurements of one server in one row.
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

impl Cell {
    /// True if the last `times` runs all had to be killed.
    pub(crate) fn never_ends(&self, times: usize) -> bool {
        self.samples.len() >= times
            && self.samples.iter().rev().take(times).all(|sample| sample.took.is_none())
    }

    /// The times in milliseconds, without the runs that were killed.
    fn times(&self) -> Vec<f64> {
        let mut times: Vec<_> = self
            .samples
            .iter()
            .filter_map(|sample| sample.took)
            .map(|took| took.as_secs_f64() * 1e3)
            .collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// The median; `None` if most runs were killed.
    pub(crate) fn median(&self) -> Option<f64> {
        let times = self.times();
        let middle = self.samples.len() / 2;
        times.get(middle).copied()
    }

    fn maximum(&self) -> Option<f64> {
        let times = self.times();
        times.last().copied().filter(|_| times.len() == self.samples.len())
    }

    fn sum(&self, count: impl Fn(&Sample) -> usize) -> usize {
        self.samples.iter().map(count).sum()
    }

    fn lost(&self) -> usize {
        self.sum(|sample| sample.lost)
    }

    fn asked(&self) -> usize {
        self.sum(|sample| sample.asked)
    }

    fn repeatable(&self) -> usize {
        self.sum(|sample| sample.repeatable)
    }

    fn rejected(&self) -> usize {
        self.sum(|sample| sample.rejected)
    }

    fn memory(&self) -> Option<u64> {
        let mut memory: Vec<_> =
            self.samples.iter().filter_map(|sample| sample.memory_per_connection).collect();
        memory.sort_unstable();
        memory.get(memory.len() / 2).copied()
    }

    fn text(&self, row: &Row) -> String {
        if self.samples.is_empty() {
            return "–".to_owned();
        }
        let ms = |time: Option<f64>| time.map_or_else(|| "never".to_owned(), |ms| format!("{ms:.1}"));
        let mut text = format!("{} ({})", ms(self.median()), ms(self.maximum()));
        if row.situation.counts() {
            let _ = write!(text, "; {} of {}", self.lost(), self.asked());
        }
        if matches!(row.situation, Situation::Streams { .. }) {
            let _ = write!(text, ", {} repeatable, {} rejected", self.repeatable(), self.rejected());
        }
        text
    }
}

/// The table in Markdown.
pub(crate) fn text(measured: &[(&Row, [Cell; 3])]) -> String {
    let mut lines = vec![[
        "median (maximum) in ms; lost of asked".to_owned(),
        "graceful-exit".to_owned(),
        "actix-web".to_owned(),
        "axum".to_owned(),
        "ratio to axum".to_owned(),
        "goal".to_owned(),
    ]];
    let mut notes = String::new();
    for (row, cells) in measured {
        let [ours, actix, axum] = cells;
        let text = |cell: &Cell| match cell.kind {
            Kind::Callbacks(count) if count < 10_000 => format!("({count}: {})", cell.text(row)),
            _ => cell.text(row),
        };
        let ratio = match (ours.median(), axum.median()) {
            (Some(ours), Some(axum)) if axum > 0.0 && ours > 0.0 && row.situation != Situation::Callbacks => {
                format!("{:.2}", ours / axum)
            }
            _ => "–".to_owned(),
        };
        lines.push([row.title.to_owned(), text(ours), text(actix), text(axum), ratio, row.goal.to_owned()]);
        for cell in cells {
            if let Some(bytes) = cell.memory() {
                let _ = writeln!(notes, "memory per idle connection, {}: {bytes} bytes", cell.kind);
            }
        }
    }
    let mut text = aligned(&lines);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

pub(crate) fn json(runs: usize, measured: &[(&Row, [Cell; 3])]) -> Value {
    let rows = measured.iter().map(|(row, cells)| {
        let cells = cells.each_ref().map(|cell| {
            json!({
                "server": cell.kind.to_string(),
                "median_ms": cell.median(),
                "maximum_ms": cell.maximum(),
                "runs_ms": cell.samples.iter().map(|sample| sample.took.map(|took| took.as_secs_f64() * 1e3)).collect::<Vec<_>>(),
                "asked": cell.asked(),
                "lost": cell.lost(),
                "repeatable": cell.repeatable(),
                "rejected": cell.rejected(),
                "memory_per_connection_bytes": cell.memory(),
            })
        });
        json!({ "row": row.name, "title": row.title, "goal": row.goal, "cells": cells })
    });
    json!({ "runs": runs, "rows": rows.collect::<Vec<_>>() })
}

//! The two text formats of metrics, and the families that are written in them.

use std::fmt;

use prometheus_client::{
    encoding::DescriptorEncoder,
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

/// Writes one family of metrics after another.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// One sample of value 1, whose labels tell something; its name ends in `_info`.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [(&str, &str); N],
    ) -> fmt::Result {
        self.gauge(&format!("{name}_info"), help, None, [(labels, 1.0)])
    }

    pub(super) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            let none: Option<&Exemplar<[(&str, &str); 0], u64>> = None;
            match N {
                0 => metric.encode_counter(&value, none)?,
                _ => metric.encode_family(&labels)?.encode_counter(&value, none)?,
            }
        }
        Ok(())
    }

    pub(super) fn gauge<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            match N {
                0 => metric.encode_gauge(&value)?,
                _ => metric.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }
}

/// The older format: a counter's family is named as its samples are, and there are neither units nor an end.
pub(super) fn prometheus(open_metrics: &str) -> String {
    let counters: Vec<_> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::new();
    for line in open_metrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let family = line.strip_prefix("# ").and_then(|rest| rest.split(' ').nth(1));
        match family.filter(|family| counters.contains(family)) {
            Some(family) => text.push_str(&line.replacen(family, &format!("{family}_total"), 1)),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_a_counter_as_its_samples() {
        let open = "# HELP a_x Some x, not a_x_total.\n# TYPE a_x counter\na_x_total{b=\"c\"} 1\n\
                    # HELP a_y_seconds Y.\n# TYPE a_y_seconds gauge\n# UNIT a_y_seconds seconds\na_y_seconds 2.0\n# EOF\n";
        let older = "# HELP a_x_total Some x, not a_x_total.\n# TYPE a_x_total counter\na_x_total{b=\"c\"} 1\n\
                     # HELP a_y_seconds Y.\n# TYPE a_y_seconds gauge\na_y_seconds 2.0\n";
        assert_eq!(prometheus(open), older);
    }
}

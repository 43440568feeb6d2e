//! Reading Prometheus text.

/// The sum of the samples of `name` whose labels hold all of `labels`, each written as `key="value"`.
pub fn sample(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            (found == name && labels.iter().all(|label| rest.contains(label))).then(|| value.parse::<f64>().ok())?
        })
        .sum()
}

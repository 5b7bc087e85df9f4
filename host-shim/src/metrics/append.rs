//! The server's scrape and the plugins' in one text.

use std::collections::HashSet;

use super::families::families;

/// Appends the text that [`PluginHost::metrics`](crate::PluginHost::metrics) answered to what the server has to say itself.
///
/// Families that the server has are left out, and those a series of which it has, so that the whole stays valid: a scraper
/// refuses all of a text that has a family twice. Where there is anything, it ends with a newline.
pub fn append(scrape: &mut String, plugins: &str) {
    if !scrape.is_empty() && !scrape.ends_with('\n') {
        scrape.push('\n');
    }
    let taken: HashSet<String> = families(scrape)
        .iter()
        .map(|family| family.name)
        .chain(scrape.lines().filter_map(series))
        .map(str::to_owned)
        .collect();
    for family in families(plugins) {
        let mut names = std::iter::once(family.name).chain(family.samples().filter_map(series));
        if names.any(|name| taken.contains(name)) {
            tracing::debug!(family = family.name, "metric family left out: the server has it");
        } else {
            family.write(scrape);
        }
    }
}

/// The name of the series that a line is a sample of.
fn series(line: &str) -> Option<&str> {
    let name = line.split(['{', ' ']).next()?;
    (!name.is_empty() && name != "#").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(own: &str, plugins: &str) -> String {
        let mut scrape = own.to_owned();
        append(&mut scrape, plugins);
        scrape
    }

    #[test]
    fn the_servers_families_come_first_and_once() {
        let own = "# HELP a A\n# TYPE a gauge\na{x=\"y\"} 1\nbare 1\n";
        let plugins = "# TYPE a counter\na 2\n# TYPE b gauge\nb 3\n# TYPE bare gauge\nbare 4\n";
        assert_eq!(joined(own, plugins), format!("{own}# TYPE b gauge\nb 3\n"));
    }

    #[test]
    fn a_family_one_of_whose_series_the_server_has_is_left_out() {
        let own = "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n";
        for family in ["a_count", "a_bucket"] {
            let plugins = format!("# TYPE {family} counter\n{family} 2\n");
            assert_eq!(joined(own, &plugins), own);
        }
        let own = "# TYPE a_count counter\na_count 1\n";
        assert_eq!(
            joined(
                own,
                "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n"
            ),
            own
        );
    }

    #[test]
    fn the_whole_ends_with_a_newline_where_there_is_anything() {
        let b = "# TYPE b gauge\nb 1\n";
        assert_eq!(joined("a 1", b), format!("a 1\n{b}"));
        assert_eq!(joined("a 1", ""), "a 1\n");
        assert_eq!(joined("", b), b);
        assert_eq!(joined("", ""), "");
    }
}

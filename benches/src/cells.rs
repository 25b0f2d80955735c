//! What is measured: kinds of load.

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    Binary,
    /// Text in ASCII.
    Text,
    /// Text that is mostly not ASCII.
    Utf8,
}

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Cells of a group are judged together.
    pub(crate) group: &'static str,
    pub(crate) matter: Matter,
    /// Bytes of a message.
    pub(crate) size: u32,
    pub(crate) connections: u32,
    /// Messages in flight on each.
    pub(crate) depth: u32,
    /// Measured by `--quick` too.
    pub(crate) quick: bool,
}

impl Cell {
    /// As `--cells` knows it.
    pub(crate) fn name(&self) -> String {
        let matter = match self.matter {
            Matter::Binary => "binary",
            Matter::Text => "text",
            Matter::Utf8 => "utf8",
        };
        format!("{matter}-{}-{}x{}", size(self.size), self.connections, self.depth)
    }
}

fn size(bytes: u32) -> String {
    match bytes {
        1024.. if bytes.is_multiple_of(1024) => format!("{}k", bytes / 1024),
        _ => bytes.to_string(),
    }
}

/// The groups, in the order of the results.
pub(crate) const GROUPS: [(&str, &str); 7] = [
    ("single", "up to 1 KiB, 1 in flight"),
    ("many", "5,000 connections, 1 in flight"),
    ("tiny", "20 B, 16 in flight"),
    ("small", "1 KiB, 16 in flight"),
    ("large", "16 KiB and 256 KiB"),
    ("text", "text in ASCII"),
    ("utf8", "text that is not ASCII"),
];

/// All of them.
pub(crate) const CELLS: [Cell; 21] = [
    cell("single", Matter::Binary, 20, 1, 1, false),
    cell("single", Matter::Binary, 20, 64, 1, true),
    cell("single", Matter::Binary, 20, 512, 1, true),
    cell("single", Matter::Binary, 1024, 1, 1, false),
    cell("single", Matter::Binary, 1024, 64, 1, true),
    cell("single", Matter::Binary, 1024, 512, 1, false),
    cell("many", Matter::Binary, 20, 5000, 1, true),
    cell("many", Matter::Binary, 1024, 5000, 1, false),
    cell("tiny", Matter::Binary, 20, 1, 16, false),
    cell("tiny", Matter::Binary, 20, 64, 16, true),
    cell("tiny", Matter::Binary, 20, 512, 16, false),
    cell("small", Matter::Binary, 1024, 64, 16, true),
    cell("small", Matter::Binary, 1024, 512, 16, false),
    cell("large", Matter::Binary, 16 << 10, 1, 1, false),
    cell("large", Matter::Binary, 16 << 10, 64, 1, true),
    cell("large", Matter::Binary, 256 << 10, 1, 1, false),
    cell("large", Matter::Binary, 256 << 10, 64, 1, true),
    cell("text", Matter::Text, 1024, 64, 16, true),
    cell("text", Matter::Text, 16 << 10, 64, 1, true),
    cell("utf8", Matter::Utf8, 1024, 64, 16, false),
    cell("utf8", Matter::Utf8, 16 << 10, 64, 1, true),
];

const fn cell(
    group: &'static str,
    matter: Matter,
    size: u32,
    connections: u32,
    depth: u32,
    quick: bool,
) -> Cell {
    Cell { group, matter, size, connections, depth, quick }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_name_of_its_own_and_a_group_that_is_shown() {
        let names: std::collections::BTreeSet<_> = CELLS.iter().map(Cell::name).collect();
        assert_eq!(names.len(), CELLS.len());
        assert!(names.contains("binary-256k-64x1") && names.contains("binary-20-64x16"));
        assert!(CELLS.iter().all(|cell| GROUPS.iter().any(|(group, _)| *group == cell.group)));
    }
}

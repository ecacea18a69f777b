//! Columns for people.
//!
//! Invariant: a column is as wide as its widest cell, and at least as wide as it says; colours have
//! no width. The last cell of a row ends the line.

use crate::output;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Text, at least so many characters wide.
    Left(usize),
    /// Figures, at least so many characters wide.
    Right(usize),
}

/// Prints a table, see [`lines`].
pub(crate) fn print(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    for line in lines(columns, &rows) {
        output::line(&line);
    }
}

/// The lines of a table, a space between two columns. Cells behind the last column follow as they are.
fn lines(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let width_of = |(at, column): (usize, &Column)| {
        let (Column::Left(least) | Column::Right(least)) = *column;
        let cells = rows.iter().filter(|row| at + 1 < row.len());
        cells.map(|row| width(&row[at])).fold(least, usize::max)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(width_of).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line.push_str(if at == 0 { "" } else { " " });
            let padding = widths
                .get(at)
                .map_or(0, |all| all.saturating_sub(width(cell)));
            let padding = " ".repeat(padding);
            line.push_str(&match columns.get(at) {
                Some(Column::Right(_)) => format!("{padding}{cell}"),
                Some(Column::Left(_)) => format!("{cell}{padding}"),
                None => cell.clone(),
            });
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn width(cell: &str) -> usize {
    anstream::adapter::strip_str(cell)
        .to_string()
        .chars()
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_is_in_them() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        let green = "\u{1b}[32mdone\u{1b}[0m";
        let rows: Vec<Vec<String>> = vec![
            row(&["api", green, "4", "yes"]),
            row(&["a-long-name", "failed", "12", ""]),
        ];
        let columns = [Column::Left(5), Column::Left(4), Column::Right(3)];
        let plain: Vec<String> = lines(&columns, &rows)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(
            plain,
            ["api         done     4 yes", "a-long-name failed  12"]
        );
    }
}

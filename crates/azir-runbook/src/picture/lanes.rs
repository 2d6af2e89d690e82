//! Which lane beside the boxes each line takes, so that no two run over each other.

use super::Line;

/// Gives the lines that `here` picks a lane each, short ones inside; the number of lanes used.
pub(super) fn lanes(lines: &mut [Line], here: impl Fn(&Line) -> bool) -> usize {
    let mut picked: Vec<usize> = (0..lines.len()).filter(|i| here(&lines[*i])).collect();
    picked.sort_by_key(|i| (lines[*i].from.abs_diff(lines[*i].to), *i));
    let mut taken: Vec<Vec<(usize, usize)>> = Vec::new();
    for i in picked {
        let line = &mut lines[i];
        let span = (line.from.min(line.to), line.from.max(line.to));
        let free = |lane: &Vec<(usize, usize)>| lane.iter().all(|s| s.1 <= span.0 || span.1 <= s.0);
        let lane = taken.iter().position(free).unwrap_or(taken.len());
        if lane == taken.len() {
            taken.push(Vec::new());
        }
        taken[lane].push(span);
        line.lane = lane;
    }
    taken.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Style;

    #[test]
    fn lines_that_run_side_by_side_take_different_lanes() {
        let line = |from, to| Line {
            from,
            to,
            style: Style::Success,
            label: String::new(),
            lane: 9,
            row: 0,
        };
        let mut lines = vec![line(0, 9), line(1, 3), line(3, 5), line(2, 4), line(9, 12)];
        assert_eq!(lanes(&mut lines, |l| l.from != 9), 3);
        assert_eq!(lines.iter().map(|l| l.lane).collect::<Vec<_>>(), [2, 0, 0, 1, 9]);
    }
}

//! Startup order: Kahn's algorithm over dependencies, the smallest key first among the plugins that are ready.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

use crate::{host::plan::Planned, metadata::PluginName};

/// Indexes in startup order.
///
/// # Errors
/// The plugins that depend on each other in a circle, in the order of their names.
pub(crate) fn startup_order(planned: &[Arc<Planned>]) -> Result<Vec<usize>, Vec<PluginName>> {
    let index: HashMap<&PluginName, usize> = planned.iter().enumerate().map(|(i, p)| (&p.entry.plugin, i)).collect();
    let needs: Vec<BTreeSet<usize>> = planned
        .iter()
        .map(|p| {
            let all = p.depends_on.iter().chain(&p.metadata.optional_depends_on);
            all.filter_map(|name| index.get(name).copied()).collect()
        })
        .collect();
    sort(&needs, |i| planned[i].key).map_err(|cycle| {
        let mut names: Vec<_> = cycle.into_iter().map(|i| planned[i].entry.plugin.clone()).collect();
        names.sort();
        names
    })
}

fn sort<Key: Ord>(needs: &[BTreeSet<usize>], key: impl Fn(usize) -> Key) -> Result<Vec<usize>, Vec<usize>> {
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut ready: BinaryHeap<Reverse<(Key, usize)>> =
        (0..needs.len()).filter(|i| open[*i] == 0).map(|i| Reverse((key(i), i))).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse((_, next))) = ready.pop() {
        order.push(next);
        for dependent in (0..needs.len()).filter(|d| needs[*d].contains(&next)) {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                ready.push(Reverse((key(dependent), dependent)));
            }
        }
    }
    if order.len() == needs.len() {
        return Ok(order);
    }
    // What only waits for a circle is not part of it.
    let left: BTreeSet<usize> = (0..needs.len()).filter(|i| !order.contains(i)).collect();
    Err(left.iter().copied().filter(|start| reaches_itself(needs, *start)).collect())
}

fn reaches_itself(needs: &[BTreeSet<usize>], start: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<usize> = needs[start].iter().copied().collect();
    while let Some(next) = stack.pop() {
        if next == start {
            return true;
        }
        if seen.insert(next) {
            stack.extend(&needs[next]);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(list: &[&[usize]]) -> Vec<BTreeSet<usize>> {
        list.iter().map(|n| n.iter().copied().collect()).collect()
    }

    #[test]
    fn smallest_key_first_among_the_ready() {
        let keys = [30, 10, 20];
        assert_eq!(sort(&needs(&[&[], &[], &[]]), |i| keys[i]), Ok(vec![1, 2, 0]));
        // 1 waits for 0: no priority is inherited, 2 goes first.
        assert_eq!(sort(&needs(&[&[], &[0], &[]]), |i| keys[i]), Ok(vec![2, 0, 1]));
    }

    #[test]
    fn a_circle_names_only_itself() {
        // 0 -> 1 -> 2 -> 0, 3 waits for it, 4 is free.
        let graph = needs(&[&[1], &[2], &[0], &[0], &[]]);
        assert_eq!(sort(&graph, |i| i), Err(vec![0, 1, 2]));
    }

    proptest! {
        #[test]
        fn every_order_respects_dependencies(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let mut graph = vec![BTreeSet::new(); 12];
            for (a, b) in edges {
                // Only edges to smaller numbers: never a circle.
                if a != b { graph[a.max(b)].insert(a.min(b)); }
            }
            let order = sort(&graph, |i| 100 - i).unwrap();
            let place = |n: usize| order.iter().position(|o| *o == n).unwrap();
            for (node, needs) in graph.iter().enumerate() {
                for need in needs { prop_assert!(place(*need) < place(node)); }
            }
        }
    }
}

//! Which of many byte strings is a text's longest prefix: a radix tree in flat arrays, walked once along the text.
//!
//! Frozen when built. The next shorter prefix is one look-up away, so that whoever finds nothing at the longest goes on
//! without another walk.

use std::collections::VecDeque;

/// Keys that are prefixes of texts. A key is known by its place among the sorted, distinct keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrefixTree {
    nodes: Box<[Node]>,
    /// The first byte of each node's label: children stand together, so that one look decides.
    firsts: Box<[u8]>,
    labels: Box<[u8]>,
    /// For each key: its length, and the longest other key that it begins with.
    keys: Box<[(usize, Option<usize>)]>,
}

#[derive(Clone, Debug)]
struct Node {
    label: (usize, usize),
    children: (usize, usize),
    /// The key that ends here, else the longest that ends above.
    key: Option<usize>,
}

/// A node that is still to be filled: the keys below it, and how much of them the way to it has used up.
struct Work {
    node: usize,
    keys: (usize, usize),
    used: usize,
}

impl PrefixTree {
    /// The tree of these keys, which are sorted and distinct.
    pub(crate) fn new<K: AsRef<[u8]>>(sorted: &[K]) -> Self {
        debug_assert!(sorted.windows(2).all(|pair| pair[0].as_ref() < pair[1].as_ref()), "sorted and distinct");
        let root = Node { label: (0, 0), children: (0, 0), key: None };
        let (mut nodes, mut firsts, mut labels) = (vec![root], vec![0], Vec::new());
        let mut keys = vec![(0, None); sorted.len()];
        let mut queue = VecDeque::from([Work { node: 0, keys: (0, sorted.len()), used: 0 }]);
        while let Some(Work { node, keys: (mut low, high), used }) = queue.pop_front() {
            if low < high && sorted[low].as_ref().len() == used {
                keys[low] = (used, nodes[node].key);
                nodes[node].key = Some(low);
                low += 1;
            }
            let (above, begin) = (nodes[node].key, nodes.len());
            while low < high {
                let first = sorted[low].as_ref();
                let end = low + sorted[low..high].partition_point(|key| key.as_ref()[used] == first[used]);
                let shared = shared(&first[used..], &sorted[end - 1].as_ref()[used..]);
                let label = (labels.len(), labels.len() + shared);
                labels.extend_from_slice(&first[used..used + shared]);
                queue.push_back(Work { node: nodes.len(), keys: (low, end), used: used + shared });
                nodes.push(Node { label, children: (0, 0), key: above });
                firsts.push(first[used]);
                low = end;
            }
            nodes[node].children = (begin, nodes.len());
        }
        Self { nodes: nodes.into(), firsts: firsts.into(), labels: labels.into(), keys: keys.into() }
    }

    /// The longest key that the text begins with.
    pub(crate) fn longest(&self, text: &[u8]) -> Option<usize> {
        let mut node = self.nodes.first()?;
        let mut rest = text;
        while let Some(first) = rest.first() {
            let (begin, end) = node.children;
            let Some(at) = self.firsts[begin..end].iter().position(|byte| byte == first) else { break };
            let child = &self.nodes[begin + at];
            let Some(left) = rest.strip_prefix(&self.labels[child.label.0..child.label.1]) else { break };
            (node, rest) = (child, left);
        }
        node.key
    }

    /// The longest key that this one begins with, itself excepted.
    pub(crate) fn shorter(&self, key: usize) -> Option<usize> {
        self.keys[key].1
    }

    /// How long a key is.
    pub(crate) fn len_of(&self, key: usize) -> usize {
        self.keys[key].0
    }

    /// Every key that the text begins with, the longest first.
    pub(crate) fn prefixes(&self, text: &[u8]) -> impl Iterator<Item = usize> {
        std::iter::successors(self.longest(text), |key| self.shorter(*key))
    }
}

/// How many bytes both begin with.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(keys in prop::collection::btree_set("[ab]{0,6}", 0..40), text in "[abc]{0,8}") {
            let sorted: Vec<&str> = keys.iter().map(String::as_str).collect();
            let tree = PrefixTree::new(&sorted);
            let found: Vec<&str> = tree.prefixes(text.as_bytes()).map(|key| sorted[key]).collect();
            let mut scan: Vec<&str> = sorted.iter().copied().filter(|key| text.starts_with(key)).collect();
            scan.reverse();
            prop_assert_eq!(found, scan);
            for (key, text) in sorted.iter().enumerate() {
                prop_assert_eq!(tree.len_of(key), text.len());
            }
        }
    }

    #[test]
    fn empty_and_deep() {
        assert_eq!(PrefixTree::default().longest(b"/a"), None);
        assert_eq!(PrefixTree::new::<&str>(&[]).longest(b"/a"), None);
        let keys: BTreeSet<String> = (0..1000).map(|n| "a".repeat(n)).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let tree = PrefixTree::new(&keys);
        assert_eq!(tree.prefixes(&[b'a'; 5000]).count(), 1000);
    }
}

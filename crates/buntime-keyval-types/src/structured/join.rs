//! Lists that grow at either end, with the references inside them still right.

use super::Structured;

impl Structured {
    /// Adds to the end of a dense array, in place; `false`, and nothing is done, if it is none. References in `more` count
    /// from the list they came in, and objects of it they stand for are these.
    pub fn append(&mut self, more: Vec<Self>) -> bool {
        let Self::Array(elements, rest) = self else { return false };
        // What follows the elements is counted after them.
        let before = elements.iter().flatten().map(Self::objects).sum();
        let added = more.iter().map(Self::objects).sum();
        rest.iter_mut().for_each(|(_, value)| value.shift(added, before));
        elements.iter_mut().flatten().for_each(|element| element.shift(added, before));
        elements.extend(more.into_iter().map(|mut element| {
            element.shift(before, 0);
            Some(element)
        }));
        true
    }

    /// Adds to the beginning of a dense array, in place; as [`append`](Self::append).
    pub fn prepend(&mut self, more: Vec<Self>) -> bool {
        let Self::Array(elements, rest) = self else { return false };
        let added = more.iter().map(Self::objects).sum();
        rest.iter_mut().for_each(|(_, value)| value.shift(added, 0));
        elements.iter_mut().flatten().for_each(|element| element.shift(added, 0));
        elements.splice(0..0, more.into_iter().map(Some));
        true
    }

    /// Is it an object, and so has a number?
    pub(crate) fn is_object(&self) -> bool {
        !matches!(
            self,
            Self::Undefined
                | Self::Null
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Double(_)
                | Self::BigInt(_)
                | Self::String(_)
                | Self::Reference(_)
        )
    }

    /// How many objects it is, with those in it.
    fn objects(&self) -> u32 {
        let own = u32::from(self.is_object());
        self.parts().map(Self::objects).fold(own, u32::saturating_add)
    }

    /// References to objects that come after the first so many below the list's own are to those so much further on.
    fn shift(&mut self, by: u32, after: u32) {
        match self {
            Self::Reference(id) if *id > after => *id = id.saturating_add(by),
            other => other.parts_mut().into_iter().for_each(|part| part.shift(by, after)),
        }
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Array(elements, rest) => {
                Box::new(elements.iter().flatten().chain(rest.iter().map(|(_, value)| value)))
            }
            Self::Object(rest) | Self::Sparse(_, rest) => Box::new(rest.iter().map(|(_, value)| value)),
            Self::Map(entries) => Box::new(entries.iter().flat_map(|(key, value)| [key, value])),
            Self::Set(elements) => Box::new(elements.iter()),
            Self::View(view) => Box::new(std::iter::once(&view.buffer)),
            Self::Error(failure) => Box::new(failure.cause.iter()),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn parts_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Array(elements, rest) => {
                elements.iter_mut().flatten().chain(rest.iter_mut().map(|(_, value)| value)).collect()
            }
            Self::Object(rest) | Self::Sparse(_, rest) => rest.iter_mut().map(|(_, value)| value).collect(),
            Self::Map(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
            Self::Set(elements) => elements.iter_mut().collect(),
            Self::View(view) => vec![&mut view.buffer],
            Self::Error(failure) => failure.cause.iter_mut().collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(of: Structured) -> Structured {
        Structured::Object(vec![("a".into(), of)])
    }

    /// `[x, x]`, where `x` is an object.
    fn twice() -> Structured {
        let elements = [object(Structured::Int(1)), Structured::Reference(1)];
        Structured::Array(elements.into_iter().map(Some).collect(), Vec::new())
    }

    #[test]
    fn references_stand_for_what_they_stood_for() {
        let mut list = twice();
        let more = vec![object(Structured::Int(2)), Structured::Reference(1)];
        assert!(list.prepend(more.clone()));
        let as_is = |expected: &[Structured]| {
            let elements = expected.iter().cloned().map(Some).collect();
            Structured::Array(elements, Vec::new())
        };
        let one = || object(Structured::Int(1));
        let two = || object(Structured::Int(2));
        assert_eq!(list, as_is(&[two(), Structured::Reference(1), one(), Structured::Reference(2)]));
        let mut list = twice();
        assert!(list.append(more));
        assert_eq!(list, as_is(&[one(), Structured::Reference(1), two(), Structured::Reference(2)]));
        assert!(Structured::decode(&list.encode()).is_ok());
        assert!(!Structured::Int(1).append(Vec::new()) && !object(Structured::Null).prepend(Vec::new()));
    }
}

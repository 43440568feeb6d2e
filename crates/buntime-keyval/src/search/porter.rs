//! Porter's algorithm: English words of one stem become the same.
//!
//! The one of 1980 with its author's two later corrections, which is what `porter` means in SQLite. (The crates there are
//! for this have Snowball's newer one, under which the same index would find something else.)

/// The stem of a word. Only words of lower-case ASCII letters have one; others stay.
pub(super) fn stem(word: &str) -> Option<String> {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let mut word = Word(word.as_bytes().to_vec());
    word.plurals();
    word.past_and_progressive();
    word.final_y();
    word.longest(DOUBLE, 0);
    word.longest(ICATE, 0);
    word.endings();
    word.final_e();
    String::from_utf8(word.0).ok()
}

/// Suffixes with what replaces them; of those that end alike the longer comes first.
type Rules = &'static [(&'static str, &'static str)];

const DOUBLE: Rules = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("ousli", "ous"),
    ("eli", "e"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
];

const ICATE: Rules =
    &[("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

const ENDINGS: [&str; 19] = [
    "ement", "ment", "ent", "ance", "ence", "able", "ible", "ant", "ion", "ism", "ate", "iti", "ous", "ive", "ize",
    "al", "er", "ic", "ou",
];

struct Word(Vec<u8>);

impl Word {
    /// What is before that suffix.
    fn before(&self, suffix: &str) -> Option<&[u8]> {
        self.0.strip_suffix(suffix.as_bytes())
    }

    fn replace(&mut self, suffix: &str, with: &str) {
        self.0.truncate(self.0.len().saturating_sub(suffix.len()));
        self.0.extend_from_slice(with.as_bytes());
    }

    fn plurals(&mut self) {
        if self.before("sses").is_some() {
            self.replace("sses", "ss");
        } else if self.before("ies").is_some() {
            self.replace("ies", "i");
        } else if self.before("ss").is_none() && self.before("s").is_some() {
            self.replace("s", "");
        }
    }

    fn past_and_progressive(&mut self) {
        if let Some(stem) = self.before("eed") {
            if measure(stem) > 0 {
                self.replace("eed", "ee");
            }
            return;
        }
        let suffix = ["ed", "ing"].into_iter().find(|suffix| self.before(suffix).is_some_and(has_vowel));
        let Some(suffix) = suffix else { return };
        self.replace(suffix, "");
        if ["at", "bl", "iz"].iter().any(|end| self.before(end).is_some()) {
            self.0.push(b'e');
        } else if ends_double(&self.0) && !matches!(self.0.last(), Some(b'l' | b's' | b'z')) {
            self.0.pop();
        } else if measure(&self.0) == 1 && ends_short(&self.0) {
            self.0.push(b'e');
        }
    }

    fn final_y(&mut self) {
        if self.before("y").is_some_and(has_vowel) {
            self.replace("y", "i");
        }
    }

    /// The longest suffix that is there decides, whether its stem is long enough or not.
    fn longest(&mut self, rules: Rules, more_than: usize) {
        let rule = rules.iter().find(|(suffix, _)| self.before(suffix).is_some());
        if let Some((suffix, with)) = rule
            && self.before(suffix).is_some_and(|stem| measure(stem) > more_than)
        {
            self.replace(suffix, with);
        }
    }

    fn endings(&mut self) {
        let Some(suffix) = ENDINGS.into_iter().find(|suffix| self.before(suffix).is_some()) else { return };
        let goes = self
            .before(suffix)
            .is_some_and(|stem| measure(stem) > 1 && (suffix != "ion" || matches!(stem.last(), Some(b's' | b't'))));
        if goes {
            self.replace(suffix, "");
        }
    }

    fn final_e(&mut self) {
        if let Some(stem) = self.before("e") {
            let m = measure(stem);
            if m > 1 || (m == 1 && !ends_short(stem)) {
                self.0.pop();
            }
        }
        if self.before("ll").is_some() && measure(&self.0) > 1 {
            self.0.pop();
        }
    }
}

/// For each letter: is it a consonant? `y` is one at the beginning and after a vowel.
fn consonants(word: &[u8]) -> impl Iterator<Item = bool> + '_ {
    word.iter().scan(false, |before, letter| {
        *before = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => !*before,
            _ => true,
        };
        Some(*before)
    })
}

fn has_vowel(word: &[u8]) -> bool {
    consonants(word).any(|consonant| !consonant)
}

/// How often a vowel is followed by a consonant.
fn measure(word: &[u8]) -> usize {
    let (mut count, mut vowel) = (0, false);
    for consonant in consonants(word) {
        count += usize::from(vowel && consonant);
        vowel = !consonant;
    }
    count
}

fn ends_double(word: &[u8]) -> bool {
    matches!(word, [.., a, b] if a == b) && consonants(word).last() == Some(true)
}

/// Consonant, vowel, consonant, the last of which is none of `w`, `x` and `y`.
fn ends_short(word: &[u8]) -> bool {
    let kinds: Vec<bool> = consonants(word).collect();
    matches!(kinds.as_slice(), [.., true, false, true]) && !matches!(word.last(), Some(b'w' | b'x' | b'y'))
}

#[cfg(test)]
mod tests {
    use super::stem;

    /// The examples of Porter's paper, run through all of its steps.
    #[test]
    fn the_examples_of_its_author() {
        let examples = "caresses caress ponies poni ties ti cats cat feed feed agreed agre plastered plaster bled bled \
            motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan falling fall \
            hissing hiss fizzed fizz failing fail filing file happy happi sky sky relational relat conditional condit \
            rational ration valenci valenc hesitanci hesit digitizer digit conformabli conform radicalli radic \
            differentli differ vileli vile analogousli analog vietnamization vietnam predication predic operator oper \
            feudalism feudal decisiveness decis hopefulness hope callousness callous formaliti formal sensitiviti sensit \
            sensibiliti sensibl triplicate triplic formative form formalize formal electriciti electr electrical electr \
            hopeful hope goodness good revival reviv allowance allow inference infer airliner airlin gyroscopic gyroscop \
            adjustable adjust defensible defens irritant irrit replacement replac adjustment adjust dependent depend \
            adoption adopt homologou homolog communism commun activate activ angulariti angular homologous homolog \
            effective effect bowdlerize bowdler probate probat rate rate cease ceas controll control roll roll";
        let words: Vec<&str> = examples.split_whitespace().collect();
        for pair in words.chunks(2) {
            assert_eq!(stem(pair[0]).as_deref(), Some(pair[1]), "{}", pair[0]);
        }
        assert_eq!((stem("is"), stem("naïve"), stem("x86")), (None, None, None));
    }
}

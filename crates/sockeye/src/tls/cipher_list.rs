//! Cipher lists in OpenSSL's syntax (manual, `ssl_cipher_list`), mapped on what exists today.
//!
//! A list builds an order of suites, item by item:
//!
//! ```text
//! NAME       the suites of that name or alias that are not in it yet, at its end
//! NAME+NAME  those of both aliases
//! -NAME      takes them out
//! !NAME      takes them out for good
//! +NAME      moves those that are in it to its end
//! @STRENGTH  sorts it by key length, longest first
//! ```

use super::obsolete;
use std::fmt;
use std::str::FromStr;

/// The longest list, in bytes.
const LIST_MAX: usize = 8192;

/// A cipher suite of TLS 1.2 that is still safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their names say it all
pub enum Suite {
    EcdheEcdsaAes256Gcm,
    EcdheRsaAes256Gcm,
    EcdheEcdsaChaCha20,
    EcdheRsaChaCha20,
    EcdheEcdsaAes128Gcm,
    EcdheRsaAes128Gcm,
}

impl Suite {
    /// All of them, in the order that lists take them in.
    pub const ALL: [Self; 6] = [
        Self::EcdheEcdsaAes256Gcm,
        Self::EcdheRsaAes256Gcm,
        Self::EcdheEcdsaChaCha20,
        Self::EcdheRsaChaCha20,
        Self::EcdheEcdsaAes128Gcm,
        Self::EcdheRsaAes128Gcm,
    ];

    /// OpenSSL's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdheEcdsaAes256Gcm => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Self::EcdheRsaAes256Gcm => "ECDHE-RSA-AES256-GCM-SHA384",
            Self::EcdheEcdsaChaCha20 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            Self::EcdheRsaChaCha20 => "ECDHE-RSA-CHACHA20-POLY1305",
            Self::EcdheEcdsaAes128Gcm => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Self::EcdheRsaAes128Gcm => "ECDHE-RSA-AES128-GCM-SHA256",
        }
    }

    /// The name of it in the registry of TLS.
    pub fn standard_name(self) -> &'static str {
        match self {
            Self::EcdheEcdsaAes256Gcm => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaAes256Gcm => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheEcdsaChaCha20 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheRsaChaCha20 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaAes128Gcm => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheRsaAes128Gcm => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        }
    }

    fn is_ecdsa(self) -> bool {
        match self {
            Self::EcdheEcdsaAes256Gcm | Self::EcdheEcdsaChaCha20 | Self::EcdheEcdsaAes128Gcm => {
                true
            }
            Self::EcdheRsaAes256Gcm | Self::EcdheRsaChaCha20 | Self::EcdheRsaAes128Gcm => false,
        }
    }

    fn cipher(self) -> Cipher {
        match self {
            Self::EcdheEcdsaAes256Gcm | Self::EcdheRsaAes256Gcm => Cipher::Aes256Gcm,
            Self::EcdheEcdsaChaCha20 | Self::EcdheRsaChaCha20 => Cipher::ChaCha20,
            Self::EcdheEcdsaAes128Gcm | Self::EcdheRsaAes128Gcm => Cipher::Aes128Gcm,
        }
    }

    /// Bits of the key.
    fn strength(self) -> u32 {
        match self.cipher() {
            Cipher::Aes256Gcm | Cipher::ChaCha20 => 256,
            Cipher::Aes128Gcm => 128,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Aes256Gcm,
    ChaCha20,
    Aes128Gcm,
}

/// A list of suites for TLS 1.2, the favourite first.
///
/// ```
/// use sockeye::tls::CipherList;
///
/// let list: CipherList = "RC4-MD5:HIGH:!aECDSA:@STRENGTH".parse()?;
/// assert_eq!(list.suites()[0].name(), "ECDHE-RSA-AES256-GCM-SHA384");
/// assert_eq!(list.obsolete(), ["RC4-MD5"]); // known, and not to be had any more
/// # Ok::<(), sockeye::tls::BadCipherList>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CipherList {
    suites: Vec<Suite>,
    obsolete: Vec<String>,
}

impl CipherList {
    /// The suites, the favourite first; never none.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// What the list asks for that was, and is no more; each once. It leaves these out.
    pub fn obsolete(&self) -> &[String] {
        &self.obsolete
    }
}

/// All suites.
impl Default for CipherList {
    fn default() -> Self {
        Self { suites: Suite::ALL.to_vec(), obsolete: Vec::new() }
    }
}

impl FromStr for CipherList {
    type Err = BadCipherList;

    fn from_str(list: &str) -> Result<Self, BadCipherList> {
        if list.len() > LIST_MAX {
            return Err(BadCipherList::TooLong(list.len()));
        }
        let mut order = Order::default();
        let mut obsolete: Vec<String> = Vec::new();
        for token in tokens(list) {
            let item = Item::parse(token)?;
            if order.apply(item) == Found::OnlyObsolete && !obsolete.iter().any(|o| o == token) {
                obsolete.push(token.to_owned());
            }
        }
        match order.suites.is_empty() {
            false => Ok(Self { suites: order.suites, obsolete }),
            true => Err(BadCipherList::Empty { obsolete }),
        }
    }
}

/// Why a cipher list is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadCipherList {
    /// There is no such cipher suite or alias, and never was.
    Unknown {
        /// What the list says.
        token: String,
        /// A name that differs from it in case only.
        meant: Option<&'static str>,
    },
    /// A suite of TLS 1.3 in the list for TLS 1.2, or the other way round.
    OtherVersion(String),
    /// It begins with `@`, and is no command.
    UnknownCommand(String),
    /// No suite is left.
    Empty {
        /// What the list asks for that is no more.
        obsolete: Vec<String>,
    },
    /// It has this many bytes, more than 8192.
    TooLong(usize),
}

impl fmt::Display for BadCipherList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { token, meant: Some(meant) } => {
                write!(f, "cipher list: {token:?} is unknown; {meant:?} is written like this")
            }
            Self::Unknown { token, meant: None } => {
                write!(f, "cipher list: {token:?} is no cipher suite and no alias of any")
            }
            Self::OtherVersion(token) if Tls13Suite::named(token).is_some() => write!(
                f,
                "cipher list: {token:?} is a suite of TLS 1.3, for which there is a setting of \
                 its own"
            ),
            Self::OtherVersion(token) => {
                write!(f, "TLS 1.3 suites: {token:?} is none, it belongs into the cipher list")
            }
            Self::UnknownCommand(token) => write!(
                f,
                "cipher list: {token:?} is no command; there are \"@STRENGTH\" and \
                 \"@SECLEVEL=0\" to \"@SECLEVEL=5\""
            ),
            Self::Empty { obsolete } => {
                f.write_str("cipher list: it leaves no cipher suite")?;
                if !obsolete.is_empty() {
                    write!(f, " but obsolete ones ({})", obsolete.join(", "))?;
                }
                f.write_str("; \"DEFAULT\" stands for all that are safe today")
            }
            Self::TooLong(bytes) => {
                write!(f, "cipher list: {bytes} bytes long, more than {LIST_MAX}")
            }
        }
    }
}

impl std::error::Error for BadCipherList {}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split([':', ',', ';', ' ', '\t', '\r', '\n']).filter(|token| !token.is_empty())
}

/// What one token of a list asks for.
enum Item {
    Do(Deed, Selection),
    SortByStrength,
    /// OpenSSL's security level: the fewest bits of a key.
    AtLeast(u32),
}

#[derive(Clone, Copy)]
enum Deed {
    Add,
    Remove,
    RemoveForGood,
    MoveToEnd,
}

/// What the names of an item stand for together.
#[derive(Clone, Copy)]
struct Selection {
    suites: [bool; Suite::ALL.len()],
    /// One of the names stands for nothing that exists today.
    obsolete: bool,
}

impl Item {
    fn parse(token: &str) -> Result<Self, BadCipherList> {
        if let Some(command) = token.strip_prefix('@') {
            return Self::command(command)
                .ok_or_else(|| BadCipherList::UnknownCommand(token.to_owned()));
        }
        let deed = match token.as_bytes()[0] {
            b'!' => Deed::RemoveForGood,
            b'-' => Deed::Remove,
            b'+' => Deed::MoveToEnd,
            _ => Deed::Add,
        };
        let names = match deed {
            Deed::Add => token,
            Deed::Remove | Deed::RemoveForGood | Deed::MoveToEnd => &token[1..],
        };
        let mut all = Selection { suites: [true; Suite::ALL.len()], obsolete: false };
        for name in names.split('+') {
            let one = Selection::of(name).ok_or_else(|| bad_name(token, name))?;
            all.obsolete |= one.obsolete;
            for (both, this) in all.suites.iter_mut().zip(one.suites) {
                *both &= this;
            }
        }
        Ok(Self::Do(deed, all))
    }

    fn command(command: &str) -> Option<Self> {
        match command {
            "STRENGTH" => Some(Self::SortByStrength),
            "SECLEVEL=0" | "SECLEVEL=1" | "SECLEVEL=2" | "SECLEVEL=3" => Some(Self::AtLeast(128)),
            "SECLEVEL=4" => Some(Self::AtLeast(192)),
            "SECLEVEL=5" => Some(Self::AtLeast(256)),
            _ => None,
        }
    }
}

/// Names the token as it stands, unless it is put together: then the part that is wrong.
fn bad_name(token: &str, name: &str) -> BadCipherList {
    if Tls13Suite::named(name).is_some() || obsolete::is_tls13_suite(name) {
        return BadCipherList::OtherVersion(name.to_owned());
    }
    let names = Suite::ALL.into_iter().flat_map(|s| [s.name(), s.standard_name()]);
    let meant = names.chain(ALIASES).find(|known| known.eq_ignore_ascii_case(name));
    let token = if name.is_empty() { token } else { name };
    BadCipherList::Unknown { token: token.to_owned(), meant }
}

/// The aliases that stand for something today.
const ALIASES: [&str; 22] = [
    "DEFAULT",
    "ALL",
    "HIGH",
    "TLSv1.2",
    "FIPS",
    "AES",
    "AES128",
    "AES256",
    "AESGCM",
    "CHACHA20",
    "kECDHE",
    "kEECDH",
    "ECDHE",
    "EECDH",
    "ECDH",
    "aRSA",
    "aECDSA",
    "ECDSA",
    "aCERT",
    "SUITEB128",
    "SUITEB128ONLY",
    "SUITEB192",
];

impl Selection {
    fn of(name: &str) -> Option<Self> {
        let where_ =
            |takes: &dyn Fn(Suite) -> bool| Self { suites: Suite::ALL.map(takes), obsolete: false };
        if Suite::ALL.iter().any(|suite| suite.name() == name || suite.standard_name() == name) {
            return Some(where_(&|suite| suite.name() == name || suite.standard_name() == name));
        }
        Some(match name {
            "DEFAULT" | "ALL" | "HIGH" | "TLSv1.2" => where_(&|_| true),
            "kECDHE" | "kEECDH" | "ECDHE" | "EECDH" | "ECDH" | "aCERT" => where_(&|_| true),
            "AES" | "AESGCM" | "FIPS" => where_(&|s| s.cipher() != Cipher::ChaCha20),
            "AES128" => where_(&|s| s.cipher() == Cipher::Aes128Gcm),
            "AES256" => where_(&|s| s.cipher() == Cipher::Aes256Gcm),
            "CHACHA20" => where_(&|s| s.cipher() == Cipher::ChaCha20),
            "aRSA" => where_(&|s| !s.is_ecdsa()),
            "aECDSA" | "ECDSA" => where_(&Suite::is_ecdsa),
            // The suites of RFC 6460.
            "SUITEB128" => where_(&|s| s.is_ecdsa() && s.cipher() != Cipher::ChaCha20),
            "SUITEB128ONLY" => where_(&|s| s.is_ecdsa() && s.cipher() == Cipher::Aes128Gcm),
            "SUITEB192" => where_(&|s| s.is_ecdsa() && s.cipher() == Cipher::Aes256Gcm),
            _ if obsolete::is_alias(name) || obsolete::is_suite(name) => {
                Self { obsolete: true, ..where_(&|_| false) }
            }
            _ => return None,
        })
    }
}

/// The list while it is built.
#[derive(Default)]
struct Order {
    suites: Vec<Suite>,
    killed: Vec<Suite>,
}

/// Whether an item that adds found something to add.
#[derive(PartialEq, Eq)]
enum Found {
    Something,
    OnlyObsolete,
}

impl Order {
    fn apply(&mut self, item: Item) -> Found {
        let (deed, selection) = match item {
            Item::Do(deed, selection) => (deed, selection),
            Item::SortByStrength => {
                self.move_to_end(|suite| suite.strength() < 256); // there are 256 and 128
                return Found::Something;
            }
            Item::AtLeast(bits) => {
                let weak = |suite: &Suite| suite.strength() < bits;
                self.suites.retain(|suite| !weak(suite));
                self.killed.extend(Suite::ALL.iter().filter(|suite| weak(suite)));
                return Found::Something;
            }
        };
        let chosen = |suite: &Suite| selection.suites[*suite as usize];
        match deed {
            Deed::Add => {
                let new = Suite::ALL.iter().filter(|suite| chosen(suite));
                let new = new.filter(|suite| !self.killed.contains(suite));
                let new: Vec<Suite> =
                    new.filter(|suite| !self.suites.contains(suite)).copied().collect();
                self.suites.extend(new);
                if selection.obsolete {
                    return Found::OnlyObsolete;
                }
            }
            Deed::Remove => self.suites.retain(|suite| !chosen(suite)),
            Deed::RemoveForGood => {
                self.suites.retain(|suite| !chosen(suite));
                self.killed.extend(Suite::ALL.iter().filter(|suite| chosen(suite)));
            }
            Deed::MoveToEnd => self.move_to_end(chosen),
        }
        Found::Something
    }

    /// Those that are chosen, and those that are not, stay in their order.
    fn move_to_end(&mut self, chosen: impl Fn(&Suite) -> bool) {
        let (end, mut suites): (Vec<_>, Vec<_>) = self.suites.drain(..).partition(chosen);
        suites.extend(end);
        self.suites = suites;
    }
}

/// A cipher suite of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their names say it all
pub enum Tls13Suite {
    Aes256Gcm,
    ChaCha20,
    Aes128Gcm,
}

impl Tls13Suite {
    /// All of them, the favourite first.
    pub const ALL: [Self; 3] = [Self::Aes256Gcm, Self::ChaCha20, Self::Aes128Gcm];

    /// The name of it, which OpenSSL uses too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "TLS_AES_256_GCM_SHA384",
            Self::ChaCha20 => "TLS_CHACHA20_POLY1305_SHA256",
            Self::Aes128Gcm => "TLS_AES_128_GCM_SHA256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }
}

/// The suites for TLS 1.3, the favourite first: their names, with `:` between.
///
/// ```
/// use sockeye::tls::Tls13Suites;
///
/// let suites: Tls13Suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384".parse()?;
/// assert_eq!(suites.suites().len(), 2);
/// # Ok::<(), sockeye::tls::BadCipherList>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls13Suites {
    suites: Vec<Tls13Suite>,
    obsolete: Vec<String>,
}

impl Tls13Suites {
    /// The suites, the favourite first; never none.
    pub fn suites(&self) -> &[Tls13Suite] {
        &self.suites
    }

    /// What was asked for that nobody offers; it is left out.
    pub fn obsolete(&self) -> &[String] {
        &self.obsolete
    }
}

/// All suites.
impl Default for Tls13Suites {
    fn default() -> Self {
        Self { suites: Tls13Suite::ALL.to_vec(), obsolete: Vec::new() }
    }
}

impl FromStr for Tls13Suites {
    type Err = BadCipherList;

    fn from_str(list: &str) -> Result<Self, BadCipherList> {
        if list.len() > LIST_MAX {
            return Err(BadCipherList::TooLong(list.len()));
        }
        let (mut suites, mut left_out): (Vec<Tls13Suite>, Vec<String>) = Default::default();
        for token in tokens(list) {
            match Tls13Suite::named(token) {
                Some(suite) if suites.contains(&suite) => {}
                Some(suite) => suites.push(suite),
                None if left_out.iter().any(|known| known == token) => {}
                None if obsolete::is_tls13_suite(token) => left_out.push(token.to_owned()),
                None if Selection::of(token).is_some() => {
                    return Err(BadCipherList::OtherVersion(token.to_owned()));
                }
                None => {
                    let mut names = Tls13Suite::ALL.into_iter().map(Tls13Suite::name);
                    let meant = names.find(|name| name.eq_ignore_ascii_case(token));
                    return Err(BadCipherList::Unknown { token: token.to_owned(), meant });
                }
            }
        }
        match suites.is_empty() {
            false => Ok(Self { suites, obsolete: left_out }),
            true => Err(BadCipherList::Empty { obsolete: left_out }),
        }
    }
}

/// Fuzz target: any list is taken or refused, and what is taken obeys the rules of lists.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(list) = text.parse::<CipherList>() {
        assert!(!list.suites.is_empty() && list.suites.len() <= Suite::ALL.len());
        for (i, suite) in list.suites.iter().enumerate() {
            assert!(!list.suites[..i].contains(suite), "{suite:?} twice");
            let kill = format!("{text}:!{}", suite.name());
            let without = kill.parse::<CipherList>().map_or(Vec::new(), |list| list.suites);
            let rest = list.suites.iter().filter(|other| *other != suite);
            assert!(rest.eq(&without) || kill.len() > LIST_MAX);
        }
        let names: Vec<&str> = list.suites.iter().map(|suite| suite.name()).collect();
        let again: CipherList = names.join(":").parse().expect("names are a list");
        assert_eq!(again.suites, list.suites);
    }
    if let Ok(list) = text.parse::<Tls13Suites>() {
        assert!(!list.suites.is_empty() && list.suites.len() <= Tls13Suite::ALL.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 6] = [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ];

    fn parse(list: &str) -> (Vec<&'static str>, Vec<String>) {
        let list: CipherList = list.parse().unwrap();
        (list.suites.iter().map(|suite| suite.name()).collect(), list.obsolete)
    }

    fn suites(list: &str) -> Vec<&'static str> {
        let (suites, obsolete) = parse(list);
        assert_eq!(obsolete, [""; 0], "{list}");
        suites
    }

    /// The suites at these places of `ALL`.
    #[track_caller]
    fn check(list: &str, expected: &[usize]) {
        let expected: Vec<&str> = expected.iter().map(|&i| ALL[i]).collect();
        assert_eq!(suites(list), expected, "{list}");
    }

    #[track_caller]
    fn refused(list: &str) -> String {
        list.parse::<CipherList>().unwrap_err().to_string()
    }

    #[test]
    fn the_list_of_the_manual_means_something() {
        let (suites, obsolete) = parse("RC4-MD5:RC4-SHA:AES128-SHA:AES256-SHA:HIGH:!DSS:!aNULL");
        assert_eq!(suites, ALL);
        assert_eq!(obsolete, ["RC4-MD5", "RC4-SHA", "AES128-SHA", "AES256-SHA"]);
    }

    #[test]
    fn no_list_means_the_default_set() {
        assert_eq!(CipherList::default().suites, Suite::ALL);
        assert_eq!(suites("DEFAULT"), ALL);
        assert_eq!(Tls13Suites::default().suites, Tls13Suite::ALL);
    }

    #[test]
    fn every_suite_answers_to_both_its_names() {
        for (i, suite) in Suite::ALL.into_iter().enumerate() {
            check(suite.name(), &[i]);
            check(suite.standard_name(), &[i]);
        }
    }

    #[test]
    fn every_alias_stands_for_its_suites() {
        for all in ["DEFAULT", "ALL", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH"] {
            check(all, &[0, 1, 2, 3, 4, 5]);
        }
        check("ECDH:aCERT", &[0, 1, 2, 3, 4, 5]);
        for gcm in ["AES", "AESGCM", "FIPS"] {
            check(gcm, &[0, 1, 4, 5]);
        }
        check("AES128", &[4, 5]);
        check("AES256", &[0, 1]);
        check("CHACHA20", &[2, 3]);
        check("aRSA", &[1, 3, 5]);
        check("aECDSA", &[0, 2, 4]);
        check("ECDSA", &[0, 2, 4]);
        check("SUITEB128", &[0, 4]);
        check("SUITEB128ONLY", &[4]);
        check("SUITEB192", &[0]);
        for alias in ALIASES {
            assert!(Selection::of(alias).is_some_and(|found| !found.obsolete), "{alias}");
        }
    }

    #[test]
    fn aliases_joined_by_plus_stand_for_what_both_have() {
        check("ECDHE+AESGCM", &[0, 1, 4, 5]);
        check("aRSA+AES128", &[5]);
        check("CHACHA20+aECDSA+HIGH", &[2]);
        check("ECDHE+ECDHE-RSA-AES128-GCM-SHA256", &[5]);
        check("AES128+AES256:CHACHA20", &[2, 3]); // nothing is both, and that is no mistake
    }

    #[test]
    fn what_is_in_the_list_is_not_added_again() {
        check("AES128:ALL", &[4, 5, 0, 1, 2, 3]);
        check("ALL:AES128", &[0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn minus_takes_out_and_what_follows_may_put_back() {
        check("ALL:-AES128", &[0, 1, 2, 3]);
        check("ALL:-AES256:AES256", &[2, 3, 4, 5, 0, 1]);
        check("ALL:-aRSA+AES128", &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_exclamation_mark_takes_out_for_good() {
        check("ALL:!AES128:AES128", &[0, 1, 2, 3]);
        check("!CHACHA20:ALL", &[0, 1, 4, 5]);
        check("ALL:!aECDSA+CHACHA20:CHACHA20", &[0, 1, 3, 4, 5]);
    }

    #[test]
    fn plus_moves_to_the_end_in_order_and_adds_nothing() {
        check("ALL:+AES256", &[2, 3, 4, 5, 0, 1]);
        check("AES128:+AES256", &[4, 5]);
        check("ALL:+aRSA:+aECDSA", &[1, 3, 5, 0, 2, 4]);
        check("ALL:+aECDSA+AESGCM", &[1, 2, 3, 5, 0, 4]);
    }

    #[test]
    fn strength_sorts_by_key_length_and_keeps_the_order_within() {
        check("AES128:CHACHA20:AES256:@STRENGTH", &[2, 3, 0, 1, 4, 5]);
        check("aRSA:aECDSA:@STRENGTH", &[1, 3, 0, 2, 5, 4]);
    }

    #[test]
    fn security_levels_leave_out_short_keys_for_good() {
        for level in 0..=3 {
            check(&format!("ALL:@SECLEVEL={level}"), &[0, 1, 2, 3, 4, 5]);
        }
        check("@SECLEVEL=4:ALL", &[0, 1, 2, 3]);
        check("ALL:@SECLEVEL=5:AES128", &[0, 1, 2, 3]);
    }

    #[test]
    fn every_separator_separates() {
        check("AES128,CHACHA20 AES256", &[4, 5, 2, 3, 0, 1]);
        check(" ,:AES128::,  ;\tCHACHA20\n", &[4, 5, 2, 3]);
    }

    #[test]
    fn obsolete_names_are_told_once_and_only_if_asked_for() {
        let (suites, obsolete) = parse("kRSA:RC4:kRSA:AES128:!MD5:-3DES:+eNULL:kRSA+AES256");
        assert_eq!(suites, [ALL[4], ALL[5]]);
        assert_eq!(obsolete, ["kRSA", "RC4", "kRSA+AES256"]);
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        let cases = [
            ("HIGH:RC5", "cipher list: \"RC5\" is no cipher suite and no alias of any"),
            ("high", "cipher list: \"high\" is unknown; \"HIGH\" is written like this"),
            ("ALL:!FOO", "cipher list: \"FOO\" is no cipher suite and no alias of any"),
            ("ECDHE+BAR", "cipher list: \"BAR\" is no cipher suite and no alias of any"),
            ("ECDHE++AES", "cipher list: \"ECDHE++AES\" is no cipher suite and no alias of any"),
            ("ALL:!", "cipher list: \"!\" is no cipher suite and no alias of any"),
            ("ALL:!!RC4", "cipher list: \"!RC4\" is no cipher suite and no alias of any"),
            (
                "\u{e9}t\u{e9}",
                "cipher list: \"\u{e9}t\u{e9}\" is no cipher suite and no alias of any",
            ),
            (
                "@LENGTH",
                "cipher list: \"@LENGTH\" is no command; there are \"@STRENGTH\" and \
                 \"@SECLEVEL=0\" to \"@SECLEVEL=5\"",
            ),
            (
                "TLS_AES_128_GCM_SHA256",
                "cipher list: \"TLS_AES_128_GCM_SHA256\" is a suite of TLS 1.3, for which there is \
                 a setting of its own",
            ),
        ];
        for (list, expected) in cases {
            assert_eq!(refused(list), expected);
        }
    }

    #[test]
    fn a_list_that_leaves_nothing_is_refused() {
        assert_eq!(
            refused("RC4-MD5:DES-CBC3-SHA"),
            "cipher list: it leaves no cipher suite but obsolete ones (RC4-MD5, DES-CBC3-SHA); \
             \"DEFAULT\" stands for all that are safe today"
        );
        for list in
            ["", " : ", "!ALL", "ALL:-ALL", "AES128+AES256", "+ALL", "@STRENGTH", "!ALL:ALL"]
        {
            assert!(
                matches!(list.parse::<CipherList>(), Err(BadCipherList::Empty { .. })),
                "{list}"
            );
        }
    }

    #[test]
    fn a_list_beyond_8192_bytes_is_refused() {
        let most = format!("ALL{}", ":".repeat(LIST_MAX - 3));
        assert_eq!(suites(&most), ALL);
        assert!(refused(&(most.clone() + ":")).contains("8193 bytes long, more than 8192"));
        assert_eq!((most + ":").parse::<Tls13Suites>(), Err(BadCipherList::TooLong(8193)));
    }

    #[test]
    fn suites_of_tls_1_3_have_their_own_setting() {
        let list: Tls13Suites =
            "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256,TLS_AES_256_GCM_SHA384 \
             TLS_AES_128_GCM_SHA256"
                .parse()
                .unwrap();
        assert_eq!(list.suites, [Tls13Suite::Aes128Gcm, Tls13Suite::Aes256Gcm]);
        assert_eq!(list.obsolete, ["TLS_AES_128_CCM_SHA256"]);
        for suite in Tls13Suite::ALL {
            assert_eq!(suite.name().parse::<Tls13Suites>().unwrap().suites, [suite]);
        }
        for (list, expected) in [
            ("HIGH", "TLS 1.3 suites: \"HIGH\" is none, it belongs into the cipher list"),
            ("RC4-MD5", "TLS 1.3 suites: \"RC4-MD5\" is none, it belongs into the cipher list"),
            ("TLS_FOO", "cipher list: \"TLS_FOO\" is no cipher suite and no alias of any"),
        ] {
            assert_eq!(list.parse::<Tls13Suites>().unwrap_err().to_string(), expected);
        }
        assert!(matches!("".parse::<Tls13Suites>(), Err(BadCipherList::Empty { .. })));
    }
}

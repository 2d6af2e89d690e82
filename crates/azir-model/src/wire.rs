//! The macro behind every closed list (D-009): one Rust name and one wire text per member.

/// A text that is not a member of a closed list. Refusal kind `unknown_enum` (D-009).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no member of {list}; members are {members}")]
pub struct UnknownMember {
    /// Name of the list.
    pub list: &'static str,
    /// The text that was given.
    pub found: String,
    /// All members, for the remedy.
    pub members: String,
}

/// Declares a closed list: an enum whose members print, parse and serialise as their wire text.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$mdoc:meta])* $member:ident = $wire:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$mdoc])* $member,)+ }

        impl $name {
            /// All members, in the order of the text.
            pub const ALL: &'static [Self] = &[$(Self::$member,)+];

            /// The wire text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $wire,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::vocab::UnknownMember;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|m| m.as_str() == text).ok_or_else(|| {
                    $crate::vocab::UnknownMember {
                        list: stringify!($name),
                        found: text.to_owned(),
                        members: Self::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(" "),
                    }
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

//! The macro behind the closed lists of this crate (D-009), as in `azir-model`.

/// Declares a closed list: an enum whose members print, parse and serialise as their wire text.
macro_rules! closed_list {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$mdoc:meta])* $member:ident = $wire:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$mdoc])* $member,)+ }

        impl $name {
            /// All members, in order.
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
            type Err = azir_model::vocab::UnknownMember;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|m| m.as_str() == text).ok_or_else(|| {
                    azir_model::vocab::UnknownMember {
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

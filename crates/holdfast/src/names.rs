//! Enums whose variants have a name outside the program: stored, on the wire, or in metrics.

/// Declares such an enum, with its names beside its variants.
macro_rules! names {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every variant, in order.
            #[allow(dead_code, reason = "not every enum is listed")]
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The variant of that name.
            #[allow(dead_code, reason = "not every enum is read back")]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.as_str() == name)
            }

            /// Every name, with commas between them.
            #[allow(dead_code, reason = "not every enum is written out")]
            pub fn names() -> String {
                Self::ALL.iter().map(|each| each.as_str()).collect::<Vec<_>>().join(", ")
            }
        }
    };
}

pub(crate) use names;

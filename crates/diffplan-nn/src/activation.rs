//! Activation functions by their names in diffusers' `act_fn`.

use diffplan_kernels::Activation;

const NAMES: [(&str, Activation); 5] = [
    ("swish", Activation::Silu),
    ("silu", Activation::Silu),
    ("mish", Activation::Mish),
    ("gelu", Activation::Gelu),
    ("relu", Activation::Relu),
];

/// The function that diffusers calls `name`, in any case; none if it knows none.
pub fn activation_from_name(name: &str) -> Option<Activation> {
    let name = name.to_lowercase();
    NAMES.iter().find(|(known, _)| *known == name).map(|&(_, f)| f)
}

/// The names that [`activation_from_name`] knows.
pub fn activation_names() -> [&'static str; 5] {
    NAMES.map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_diffusers() {
        assert_eq!(activation_from_name("Swish"), Some(Activation::Silu));
        assert_eq!(activation_from_name("gelu"), Some(Activation::Gelu));
        assert_eq!(activation_from_name("tanh"), None);
        assert!(
            activation_names()
                .iter()
                .all(|name| activation_from_name(name).is_some())
        );
    }
}

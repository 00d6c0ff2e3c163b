"""Price files -> PriceBook: dated, sourced prices of models, providers and GPUs."""

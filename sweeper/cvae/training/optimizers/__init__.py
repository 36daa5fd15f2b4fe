"""The updates of flat parameters, of all members at once: AdamW, and Muon for weight matrices."""

"""The parts of the screens: painters over values, with no judgement of their own."""

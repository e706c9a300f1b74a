"""The whole check against real balancers and members, compared with what those say that they did."""

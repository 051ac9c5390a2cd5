"""Use cases, one file each: `use_case(session, actor, <input>, now) -> result`. They never commit."""

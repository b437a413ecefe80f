"""The binaries, `nas.search` (`api`), and rooms for all that they do; imports all other folders."""

"""What docs/results.md says of work with whole corpora: a table of features, and a corpus of one's own."""

from benchmarks._section import Section

CORPORA = (
    Section(
        "A corpus of one's own: MOSI's polarity",
        "ABOUT_OWN",
        ("own_corpus",),
    ),
    Section(
        "Features of a corpus as a table",
        "ABOUT_EXTRACT",
        ("extract",),
    ),
)

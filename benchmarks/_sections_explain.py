"""What docs/results.md says of explanations."""

from benchmarks._section import Goal, Section

SHARE = 0.9
SECONDS = {"text": 5.0, "audio": 15.0, "video": 30.0}
WHAT = {"text": "words", "audio": "sounds", "video": "regions"}
GROUPS = {
    "base on clips of CMU-MOSI": ("text", "audio", "video"),
    "base on scenes": ("audio", "video"),
    "SeMuL-PCD on clips of CMU-MOSI": ("text", "audio", "video"),
}
BETTER = tuple(
    Goal(
        f"{group}: share of {WHAT[m]} that is better", "explain", (group, f"{m}, lime", "both_better"), SHARE
    )
    for group, modalities in GROUPS.items()
    for m in modalities
)
FAST = tuple(
    Goal(
        f"seconds for 1,000 samples of {WHAT[m]}", "explain", ("base: 1000 samples", m, "seconds"), most, True
    )
    for m, most in SECONDS.items()
)
EXPLAINED = (
    Section(
        "Explanations, and how far they can be trusted",
        "Better than random: the probability falls faster when the weightiest parts go, and rises faster "
        "when they come, than in the mean of random orders (`random orders` says how many), with another "
        "stand-in for what is gone than the explanation had; the goals ask for both at once, by LIME. `n` "
        "counts emotions of utterances: they are few, so 1.000 says that none of them failed. Clips were "
        "drawn beforehand, of those with at least four words. Sounds miss the goal: those of `base` move the "
        "probability by .017 in the mean between deletion and insertion, as words decide. In scenes, where "
        "nobody gave the words, sounds move it by .100 and none failed. SeMuL-PCD learnt on 127 clips and "
        "its answers move by .002 at most, so there is little to explain. Stability and "
        "sanity were not asked where there are 10 orders. Speed is that of one thread.",
        ("explain",),
        (*BETTER, *FAST),
    ),
    Section(
        "Explanations beside the package lime",
        "The same text classifier, the same number of samples; utterances of 6 to 20 different words, drawn "
        "from the transcripts of CMU-MOSI. Both weigh samples by the same kernel and fit the same ridge; "
        "lime draws others, and asks about equal ones again.",
        ("lime_package",),
        (
            Goal(
                "share of utterances with the same first word",
                "lime_package",
                ("mean", "same first word"),
                1.0,
            ),
            Goal("share of the first three words", "lime_package", ("mean", "first three shared"), 1.0),
        ),
    ),
)

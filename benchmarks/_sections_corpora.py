"""What docs/results.md says of work with whole corpora: a table of features, and a corpus of one's own."""

from benchmarks._section import Section

CORPORA = (
    Section(
        "A corpus of one's own: MOSI's polarity",
        "`base` has seen neither MOSI nor polarity. Before: its valence, with the threshold that is best on"
        " the eight videos of a rotation. After: `mine.base` on words and voice, trained on six of them; "
        "two choose the epoch. **It did not get better**: 130 utterances say less of what the seven "
        "emotions mean for polarity than their names do. By cross-validation inside the eight videos, which"
        " sees no test video (`log_loss`: a list for each rotation), what was tried: labels that begin anew"
        " 0.504 in the mean, with their best rate, and 0.759 of the test utterances right; labels told from"
        " what `base` says of its own, as it is now, 0.448; a logistic regression on valence alone, without"
        " training, 0.437. The learning rate makes little difference. The seconds of a training are without"
        " the features, which all of them share; the machine did other work. **Why**: most is lost where the "
        "layer is fitted that tells polarity from the seven labels, before anything is trained (`seven`, "
        "0.787; 0.778 after training). Inside the eight videos valence alone has the least loss, or valence "
        "with the seven beside it, shrunk: 0.838 of the test utterances right, one more than before, which "
        "is no gain. Valence is a sum of probabilities and the layer sees log odds, so that `mine.base` as "
        "it is cannot begin with it; it is left as it was.",
        ("own_corpus", "own_corpus_layer"),
    ),
    Section(
        "Features of a corpus as a table",
        "Each extraction is a process of its own, and each part says which command made it. `series`: clips "
        "of MOSI by repetition, streams of sound and words; `all`: every stream that works offline by its "
        "name, words, sound and pictures as they are among them; `ravdess`: recordings, streams of sound. "
        "A table is named by its sha256: both engines make the same bytes (`same_tables`), and so does what "
        "was killed. **Other work held most of the two cores**, so that the straight line is through "
        "processor seconds and the wall time says little, least of all of Ray beside one process. On the "
        "same machine with nothing else to do (`affectline extract mosi --limit 50 --streams "
        "audio.mel,audio.egemaps,text.minilm`) 50 clips took 20 s, and the faces of 12 clips "
        "(`video.expression`) 15 s. `mib_in_quarters`: the memory of all processes in each quarter of the "
        "time, what they share counted once. It hardly grows with the clips: 582, 577, 600 and 632 MiB at "
        "its highest for 100, 200, 400 and 800. With pictures as they are (`all`) it is what a file of 32 "
        "clips needs while it is made: of 192 clips with `video.frames,audio.samples` at most 2.0, 2.0, 2.0, "
        "2.1, 1.8 and 2.2 GB for one file after the other. Ray's workers each load the models. For want of "
        "time `all` is of 64 clips and not 216, and `ravdess` of 192 recordings and not 1,200: **that part "
        "of the goal is missed**.",
        ("extract",),
    ),
)

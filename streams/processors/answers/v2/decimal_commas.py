"""Languages that write a comma before decimals."""

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.written_numbers import Habit

# The commonest short words of each side; a word of both ("in", "a", "as") tells nothing.
_WITH_COMMA = compile_ascii(
    r"(?<![^\W_])(?i:antwort|lösung|lautet|ergibt|der|die|das|und|ist|ergebnis|von|beträgt|kostet|also|insgesamt"
    r"|réponse|reponse|résultat|est|donc|le|la|les|des|une|et|coûte|respuesta|resultado|el|los|las|es|y|por|cuesta"
    r"|resposta|portanto|é|são|custa|um|uma|risposta|risultato|il|è|di|che|sono|costa|quindi|antwoord|het|een|dus"
    r"|svar|svaret|och|är|og|er|det|vastaus|odpowiedź|wynosi|jest|odpověď|odpoveď|răspuns|răspunsul|este|válasz"
    r"|cevap|cevabı|jawaban|jawabannya|adalah|yaitu|đáp|trả|là)(?![^\W_])|[\u0370-\u03ff\u0400-\u052f]{2,}"
)
_WITH_POINT = compile_ascii(
    r"(?<![^\W_])(?i:the|is|are|of|and|answer|so|we|he|she|they|it|has|have|total|with|that|this|for|final)"
    r"(?![^\W_])|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_INDIAN = compile_ascii(r"₹|(?<![A-Za-z])(?i:rs|inr|rupees?|lakhs?|crores?)(?![A-Za-z])")

_REACH = 600
"""Characters before an answer whose words tell the language."""


def habit_of(text: str, start: int, end: int) -> Habit:
    """
    Tell how numbers are written at a place: by the sentence there, else by the text before it.

    Args:
        text: The whole text.
        start: Where the answer starts.
        end: Where it ends.
    """
    reach = max(0, start - _REACH)
    line = max(text.rfind("\n", reach, start) + 1, text.rfind(". ", reach, start) + 1, reach)
    end = min(end, start + _REACH)
    further = end + _REACH // 8
    stop = min(place if place >= 0 else further for place in (text.find(mark, end, further) for mark in ("\n", ". ")))
    for near in (text[line:stop], text[reach:stop]):
        comma, point = len(_WITH_COMMA.findall(near)), len(_WITH_POINT.findall(near))
        if comma != point:
            return Habit(comma > point, bool(_INDIAN.search(near)))
    return Habit(lakhs=bool(_INDIAN.search(text, line, stop)))

"""
Words for "answer", "is" and "or" by language.

Words are in lower case; `cues` adds their capitals.
"""

from typing import NamedTuple


class Language(NamedTuple):
    """
    Words that state an answer in one language.

    Attributes:
        name: Name of the language in English.
        answer: Words for "answer".
        to_be: Words between the answer word and the answer.
        correct: Words that may follow the answer word, such as "correct".
        either: Words between two answers: "and", "or".
        option: Words that may stand before the letter: "option", "the letter".
        bare: Whether the answer may follow its word directly, as in "答案C".
    """

    name: str
    answer: tuple[str, ...]
    to_be: tuple[str, ...] = ()
    correct: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    option: tuple[str, ...] = ()
    bare: bool = False


LANGUAGES = (
    Language(
        "English",
        ("answer",),
        ("is", "was", "be"),
        ("correct", "choice", "option"),
        ("and/or", "and", "or", "nor"),
        ("option", "choice", "letter", "answer", "statement", "alternative"),
    ),
    Language(
        "Chinese",
        ("答案", "答", "正解", "正确选项", "正確選項", "正确的选项", "正確的選項"),
        (
            "应该是",
            "應該是",
            "应该选",
            "應該選",
            "应当是",
            "应该为",
            "应选择",
            "应选",
            "應選",
            "应为",
            "應為",
            "就是",
            "选择",
            "選擇",
            "選",
            "选",
            "是",
            "为",
            "為",
        ),
        ("选项", "選項"),
        ("和", "或者", "或", "与", "與", "及", "以及", "还是", "還是"),
        ("选项", "選項", "选择", "選擇"),
        bare=True,
    ),
    Language(
        "Hindi and Marathi",
        ("उत्तर", "जवाब"),
        ("है", "हैं", "होगा", "आहे", "हे"),
        ("सही", "बरोबर", "योग्य"),
        ("और", "या", "तथा", "आणि", "किंवा", "एवं"),
        ("विकल्प", "पर्याय"),
        bare=True,
    ),
    Language(
        "Spanish",
        ("respuesta", "contestación"),
        ("es", "sería", "será"),
        ("correcta", "final"),
        ("y", "o", "e", "u"),
        ("la opción", "opción", "la letra", "letra", "la", "el"),
    ),
    Language(
        "French",
        ("réponse", "reponse"),
        ("est", "serait", "sera"),
        ("correcte", "finale", "exacte", "juste"),
        ("et", "ou"),
        ("l'option", "option", "la lettre", "lettre", "le choix", "choix", "la", "le"),
    ),
    Language(
        "Arabic",
        ("الإجابة", "الاجابة", "الجواب", "إجابة", "اجابة", "جواب"),
        ("هي", "هو"),
        ("الصحيحة", "الصحيح", "النهائية", "النهائي", "صحيحة"),
        ("أو", "او", "و"),
        ("الخيار", "خيار", "الحرف", "حرف"),
        bare=True,
    ),
    Language(
        "Bengali",
        ("উত্তরটি", "উত্তর", "জবাব"),
        ("হলো", "হল", "হচ্ছে", "হবে"),
        ("সঠিক",),
        ("এবং", "বা", "অথবা", "ও"),
        ("বিকল্প", "অপশন"),
        bare=True,
    ),
    Language(
        "Portuguese",
        ("resposta", "gabarito"),
        ("é a", "é o", "é", "seria", "será"),
        ("correta", "certa", "final"),
        ("e", "ou"),
        ("a opção", "opção", "a letra", "letra", "a alternativa", "alternativa"),
    ),
    Language(
        "Russian",
        ("ответ", "ответом"),
        ("это", "является", "будет"),
        ("правильный", "верный"),
        ("и", "или"),
        ("вариант", "буква", "под буквой"),
        bare=True,
    ),
    Language(
        "Urdu",
        ("جواب",),
        ("ہے", "ہوگا"),
        ("درست", "صحیح"),
        ("اور", "یا"),
        ("آپشن", "اختیار"),
        bare=True,
    ),
    Language(
        "Indonesian and Malay",
        ("jawabannya", "jawaban", "jawapan", "jawab"),
        ("adalah", "ialah", "yaitu", "yakni"),
        ("yang benar", "yang tepat", "akhir", "benar", "akhirnya", "yang betul"),
        ("dan", "atau"),
        ("opsi", "pilihan", "huruf"),
    ),
    Language(
        "German",
        ("antwort", "lösung"),
        ("ist", "lautet", "wäre"),
        (),
        ("und", "oder"),
        ("option", "antwort", "buchstabe", "die"),
    ),
    Language(
        "Japanese",
        ("答え", "答", "正解", "解答", "回答", "正答"),
        ("は", "が"),
        ("の選択肢",),
        ("と", "または", "又は", "や", "か", "および"),
        ("選択肢",),
        bare=True,
    ),
    Language(
        "Nigerian Pidgin",
        ("ansa",),
        ("na", "be"),
        (),
        ("and", "abi"),
        ("di",),
    ),
    Language(
        "Telugu",
        ("సమాధానం", "జవాబు"),
        (),
        ("సరైన",),
        ("మరియు", "లేదా"),
        ("ఎంపిక",),
        bare=True,
    ),
    Language(
        "Turkish",
        ("cevap", "cevabı", "cevabım", "yanıt", "yanıtı", "yanıtım"),
        (),
        ("doğru",),
        ("ve", "veya", "ya da"),
        ("seçenek", "şık"),
        bare=True,
    ),
    Language(
        "Tamil",
        ("பதில்", "விடை"),
        (),
        ("சரியான",),
        ("மற்றும்", "அல்லது"),
        ("விருப்பம்",),
        bare=True,
    ),
    Language(
        "Vietnamese",
        ("đáp án", "câu trả lời", "trả lời", "đáp số"),
        ("là",),
        ("đúng", "chính xác", "cuối cùng", "đúng nhất"),
        ("và", "hoặc", "hay"),
        ("phương án", "lựa chọn", "đáp án"),
    ),
    Language(
        "Tagalog",
        ("sagot", "kasagutan"),
        ("ay",),
        ("na tama",),
        ("at", "o"),
        ("ang", "letrang", "titik"),
    ),
    Language(
        "Korean",
        ("정답", "답변", "답", "해답"),
        ("은", "는", "이", "가"),
        ("선택지",),
        ("와", "과", "또는", "및", "이나", "하고"),
        ("선택지", "보기"),
        bare=True,
    ),
    Language(
        "Persian",
        ("پاسخ", "جواب"),
        ("است", "می‌باشد"),
        ("صحیح", "درست", "نهایی"),
        ("و", "یا"),
        ("گزینه", "گزینهٔ", "گزینه‌ی"),
        bare=True,
    ),
    Language(
        "Swahili",
        ("jibu", "majibu"),
        ("ni",),
        ("sahihi", "la mwisho"),
        ("na", "au"),
        ("chaguo", "herufi"),
    ),
    Language("Hausa", ("amsa", "amsar"), ("ita ce", "shine"), ("daidai", "ta daidai"), ("da", "ko")),
    Language(
        "Italian",
        ("risposta", "soluzione"),
        ("è", "sarebbe", "sarà"),
        ("corretta", "giusta", "esatta", "finale"),
        ("e", "o", "oppure"),
        ("l'opzione", "opzione", "la lettera", "lettera", "la"),
    ),
    Language("Punjabi", ("ਉੱਤਰ", "ਜਵਾਬ"), ("ਹੈ",), ("ਸਹੀ",), ("ਅਤੇ", "ਜਾਂ"), ("ਵਿਕਲਪ",), bare=True),
    Language("Gujarati", ("જવાબ", "ઉત્તર"), ("છે",), ("સાચો",), ("અને", "અથવા", "કે"), ("વિકલ્પ",), bare=True),
    Language("Kannada", ("ಉತ್ತರ",), (), ("ಸರಿಯಾದ",), ("ಮತ್ತು", "ಅಥವಾ"), ("ಆಯ್ಕೆ",), bare=True),
    Language("Malayalam", ("ഉത്തരം",), (), ("ശരിയായ",), ("അല്ലെങ്കിൽ",), ("ഓപ്ഷൻ",), bare=True),
    Language(
        "Thai", ("คำตอบ", "ตอบ", "เฉลย"), ("คือ", "เป็น"), ("ที่ถูกต้อง", "ที่ถูก"), ("และ", "หรือ"), ("ข้อ", "ตัวเลือก"), bare=True
    ),
    Language("Amharic", ("መልሱ", "መልስ"), ("ነው",), ("ትክክለኛ",), ("እና", "ወይም"), ("ምርጫ",), bare=True),
    Language(
        "Polish",
        ("odpowiedź to", "odpowiedź", "odpowiedzią"),
        ("jest", "brzmi"),
        ("prawidłowa",),
        ("i", "lub", "albo"),
        ("opcja",),
        bare=True,
    ),
    Language(
        "Ukrainian", ("відповідь",), ("це", "є"), ("правильна",), ("і", "та", "або", "чи"), ("варіант",), bare=True
    ),
    Language("Dutch", ("antwoord",), ("is", "luidt"), (), ("en", "of"), ("optie",)),
    Language("Romanian", ("răspunsul", "răspuns"), ("este",), ("corect",), ("și", "sau"), ("varianta",)),
    Language("Greek", ("απάντηση",), ("είναι",), ("σωστή",), ("και", "ή"), ("η επιλογή", "το")),
    Language("Czech and Slovak", ("odpověď", "odpoveď"), ("je",), (), ("a", "nebo", "alebo"), ("možnost",)),
    Language("Hungarian", ("válasz",), (), (), ("és", "vagy"), (), bare=True),
    Language(
        "Swedish, Norwegian, Danish", ("svaret", "svar"), ("är", "er"), (), ("och", "og", "eller"), ("alternativ",)
    ),
    Language("Finnish", ("vastaus",), (), (), ("ja", "tai"), ()),
    Language("Hebrew", ("התשובה", "תשובה"), ("היא",), ("הנכונה",), ("או", "ו"), ("אפשרות",), bare=True),
    Language("Yoruba", ("ìdáhùn", "idahun"), ("ni",), ("tó tọ́",), ("àti", "tàbí"), ()),
)
"""The twenty most used languages, which come first, and others that models answer in."""

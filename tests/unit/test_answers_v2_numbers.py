"""Numbers in boxes and statements, by the rules of `answers.v2`."""

import pytest

from streams.processors.answers import Reading
from streams.processors.answers.v2.numbers import normal_number, read_number

# Each line: the number, or none, and the ways to write it, parted by a broken bar.
BOXES = r"""
none: y = 3x + 1 ¦ 7x - 2 ¦ x - y ¦ \pi ¦ 2\pi ¦ (4, 9) ¦ [0, 5) ¦ 2 < x \le 6 ¦ 31_4 ¦ 31_{4} ¦ \text{Monday}
none: \begin{pmatrix}1\\2\end{pmatrix} ¦ 3\frac{7}{2} ¦ 0.333... ¦ 3:2 ¦ 12:30 ¦ 1, 2, 3 ¦ 1,2,3 ¦ \{1,2\}
none: x = 3 \text{ or } x = 5 ¦ x = 3, y = 5 ¦ x=3 \quad y=5 ¦ 2x = 14 ¦ x + y = 5 ¦ x^2 = 4 ¦ \frac{\sqrt{3}}{2}
none: 5 \pm 2 ¦ 3 - 5 ¦ 3-5 ¦ \infty ¦ -\infty ¦ \varnothing ¦ f(x) ¦ 3x ¦ x ¦ \text{(C)} ¦ A ¦ 10 20 ¦ 1/2/3
none: 12/25/2024 ¦ \text{at least } 5 ¦ x > 5 ¦ x \geq 5 ¦ x \neq 5 ¦ 2^x ¦ 5 \text{ hours } 30 \text{ minutes}
none: \log_2 4 ¦ \log_2 5 ¦ 10^{10^9} ¦ 10^{1000000000} ¦ i ¦ 3+4i ¦ 4 - 3i ¦ \lfloor 3.7 \rfloor ¦ 1 : 2
none: x_1 = 5, x_2 = 6 ¦ 3 \text{ and } 5 ¦ 10k + 5 ¦ e^{2} ¦ \frac{\pi}{4} ¦ \frac{x}{x} ¦ \left(1,2\right)
none: \text{Monday, 5 tries} ¦ \text{Yes} ¦ (x-1)(x+2) ¦ x^2 - 4x + 3 ¦ 2x^2 ¦ a + b ¦ \frac{a}{b} ¦ \frac{3}{x}
none: 101_2 ¦ 1A_{16} ¦ \text{0x1F} ¦ 0x1F ¦ [1,2,3] ¦ (-\infty, 5] ¦ 1 < x < 5 ¦ x \in \{1, 2\} ¦ x = \pm 2 ¦ \pm 2
none: 1, -1 ¦ 3 \text{ or } 4 ¦ 3\text{ and }4 ¦ \begin{bmatrix} 1 & 2 \end{bmatrix} ¦ \left(\frac{1}{2}, 3\right)
none: \sqrt{2}+1 ¦ 1+\sqrt2 ¦ \sin 30 ¦ \ln 2 ¦ \log 5 ¦ 5\sqrt{2}\text{ cm} ¦ 12\pi \text{ cm}^2 ¦ \binom{8}{3}
none: 5 \mod 3 ¦ 5 \pmod{7} ¦ x \equiv 5 \pmod 7 ¦ \text{18 apples and 3 pears} ¦ \text{5 apples}, \text{3 pears}
none: n > 5 ¦ \ge 5 ¦ 5+ ¦ 5^\circ 30' ¦ y - 3 = 2 ¦ -x = 5 ¦ xy = 6 ¦ |x| = 3 ¦ x^2+y^2=25 ¦ 3x + 2y = 12
none: y = mx + b ¦ y=-2x+5 ¦ y = x ¦ y = x^2 ¦ f(x) = 2x + 1 ¦ x = 2y ¦ \text{Total cost: } \$18 ¦ ? ¦ ... ¦ 18...
none: 1.5.2 ¦ 1,23 ¦ 2024-05-01 ¦ 555-1234 ¦ 3:45 ¦ 1:2:3 ¦ 3.14\ldots ¦ 0.3\dots ¦ \text{half} ¦ \text{zero or one}
none: 5^{th} ¦ 5^{\text{th}} ¦ 3^{\text{rd}} ¦ e ¦ 2e ¦ e^2 ¦ i^2 ¦ i^2 = -1 ¦ 7\text{ h } 30\text{ min}
none: 2\text{ to }3 ¦ 2 \sim 3 ¦ 2\text{–}3 ¦ 4\omega ¦ --5 ¦ 5- ¦ \frac{1}{0} ¦ 1/0 ¦ 0^0 ¦ \sqrt{-4}
18: \$18 ¦ 18 m^2 ¦ 18\text{ m}^2 ¦ 18\,\text{cm}^2 ¦ 3 \times 6 = 18 ¦ \textbf{18} ¦ \mathbf{18} ¦ \$18.00
18: 18 \text{ dollars} ¦ 18 \text{ miles per hour} ¦ 18 \frac{\text{miles}}{\text{hour}} ¦ 18 \text{ km/h}
18: 18\ \mathrm{m/s^2} ¦ 18 \, \text{m/s}^2 ¦ 18 \text{ m} \cdot \text{s}^{-1} ¦ S = 18 ¦ 18 (\text{eighteen})
18: \;18\; ¦ ~18 ¦ 18~\text{cm} ¦ \left(18\right) ¦ \displaystyle 18 ¦ [18] ¦ 18 \% ¦ 18\text{ m/s}
18: 18 \text{ inches} ¦ 18\text{ in.} ¦ 18\text{ in}^2 ¦ 18 \text{ sq. units} ¦ 18\text{ cubic units}
18: 18\text{ days}. ¦ 18\text{ (approx.)} ¦ \text{18} ¦ \text{18 apples} ¦ \text{Total cost} = \$18
18: \boxed{\boxed{18}} ¦ \mathrm{18} ¦ +18 ¦ 18.0 ¦ \text{eighteen} ¦ \text{Eighteen}
5: 5 \text{ apples} ¦ x=5 ¦ \approx 5 ¦ |{-5}| ¦ |-5| ¦ \underline{5} ¦ n=5 ¦ |AB| = 5 ¦ AB = 5 ¦ x_1 = 5
5: \text{Answer: } 5 ¦ \text{The answer is } 5 ¦ \text{total} = 5 ¦ d = 5\text{ cm} ¦ a = 5 ¦ I = 5 ¦ k=5 ¦ m = 5
5: \lambda = 5 ¦ x_{\max} = 5 ¦ f'(2) = 5 ¦ f(g(2)) = 5 ¦ \lim_{x\to0} f(x) = 5 ¦ a_5 = 5 ¦ \det A = 5
2: 6 m / 3 s = 2 ¦ 6\text{ m} / 3\text{ s} = 2 ¦ 5 - 3 ¦ \sqrt[3]{8} ¦ \frac{6}{3} = 2 ¦ 10 \div 5 = 2
2: 6\text{ m} \div 3\text{ s} = 2\text{ m/s} ¦ 2:00 \text{ pm} ¦ \text{2 m/s}
60000: 60,000 ¦ 60\,000 ¦ 60 000 ¦ 60{,}000 ¦ 60\;000 ¦ 60'000 ¦ 60\_000 ¦ 60_000
-5: -5 ¦ (-5) ¦ \,-\,5 ¦ -\,5 ¦ –5 ¦ −5
7: x = 7 ¦ y = 3 + 4 = 7 ¦ 3+4 ¦ 3 + 4 = 7 ¦ 7\text{ h}
0.5: \frac{1}{2} ¦ \dfrac12 ¦ \cfrac12 ¦ P(A) = \frac12 ¦ 1/2
4: \sqrt{16} ¦ 8^{2/3} ¦ (-2)^2 ¦ 4 \text{ people per table} ¦ 4\text{ L}
15: 3 \times 5 ¦ 3*5 ¦ 3 x 5 ¦ 3×5 ¦ 3·5
1/3: \frac{1}{3} ¦ 0.\overline{3} ¦ \frac{1}{3}\text{ cup} ¦ 1/3 \text{ of the cake}
6: 2(3) ¦ (2)(3) ¦ 2\left(3\right) ¦ 2 \text{ apples} \times 3 = 6
3: f(3) = 3 ¦ \text{Total: } 3 ¦ \sqrt{9} ¦ \sqrt 9
3.5: 3\frac{1}{2} ¦ 3 1/2 ¦ 3.50
1024: 2^{10} ¦ 2^10 ¦ 1{,}024
8: 2^3 ¦ 3-(-5) ¦ 3 - -5
2.5: \frac{5}{2} = 2.5 ¦ 2\dfrac12 ¦ 2 \frac{1}{2}
0: \text{zero} ¦ 0 ¦ -0
-60000: -60{,}000 ¦ -\$60{,}000 ¦ \$-60{,}000
-15: -3 \times 5 ¦ 3 \times -5 ¦ 3 \times (-5)
84: \boxed{84} ¦ {84}
45: 45^\circ ¦ 45^{\circ}
9500: 9\,500 ¦ 9\;500
25: \text{Area} = 25 ¦ A = 5 \times 5 = 25
1.5: \sqrt{\frac{9}{4}} ¦ \frac{\sqrt{9}}{2}
3/7: \frac37 ¦ \tfrac{3}{7}
-3/7: \frac{-3}{7} ¦ -\dfrac{3}{7}
3000000: 3 \times 10^6 ¦ 3 \cdot 10^{6}
100000: 1e5 ¦ 1E5
-0.5: -\frac{1}{2}
-3.5: -3\frac{1}{2}
1023: 2^{10}-1
50: 50\%
120: 5!
1500: 1.5 \times 10^{3}
0.000025: 2.5 \times 10^{-5}
1234567: 1,234,567
3.14: x \approx 3.14
14: 2(3+4)
12: \frac{36}{3}
24: V = lwh = 24
60: \angle ABC = 60^\circ
18000: 18k
2500000: 2.5 M
9: 3^{2}
-2: \sqrt[3]{-8}
0.25: 2^{-2}
-4: -2^2
-3: -\sqrt{9}
0.125: \left(\frac12\right)^3
256: 2^8 = 256
56: \binom{8}{3} = 56
720: 6! = 720
12.5: 12.5\%
0.9: .9
1000000: 10^6
0.003: 3\times10^{-3}
602000000000000000000000: 6.02 \times 10^{23}
18000000: \$18\text{ million}
30: \theta = 30^\circ
1/7: 0.\overline{142857}
7/12: 0.58\overline{3}
10000: 100^2
1: 1\%
7.5: 7.5 \text{ hours}
1.2: \frac{6}{5}
33.3: 33.3\%
"""

STATED = r"""
none: 18 or 20. ¦ either 18 or 20. ¦ 12:30. ¦ between 3 and 5. ¦ 3-5. ¦ 3 to 5. ¦ 3–5. ¦ 10 20. ¦ 5'11.
none: 18 dollars and 20 cents. ¦ 5 hours and 30 minutes. ¦ 5 feet 11 inches. ¦ at least 5. ¦ more than 5.
none: 5 or more. ¦ 18 ± 2. ¦ Monday. ¦ x + 1. ¦ 2x. ¦ 18 or 19, I think. ¦ 18, 20. ¦ 18 and 20. ¦ 3,5. ¦ the 5th.
none: 5th. ¦ 3 out of 5. ¦ 1 in 5. ¦ 7 remainder 2. ¦ 3 and a half. ¦ 2 squared. ¦ one of these. ¦ 18? ¦ 2024-05-01.
none: 5 May 2024. ¦ undefined. ¦ 300 K. ¦ 3 mil. ¦ 18 or 20 or 22. ¦ 18/20 or 0.9. ¦ either 5 or 6 pens.
none: from 5 to 6. ¦ 5 and 6. ¦ 5, 6, and 7. ¦ 5 & 6. ¦ 5~6. ¦ 5 - 6. ¦ 5—6. ¦ somewhere between 5 and 6.
none: 5 to 6 pens. ¦ 5 pens to 6 pens. ¦ 5 pens or 6 pens. ¦ 5 pens and 6 pencils. ¦ 5 pens, 6 pencils. ¦ 2x + 1.
none: $2x$. ¦ $\pi$. ¦ $2\pi$ cm. ¦ $\sqrt{2}$. ¦ $x > 5$. ¦ $(4, 9)$. ¦ (4, 9). ¦ [0, 5). ¦ not unique. ¦ infinite.
none: greater than 5. ¦ less than 5. ¦ over 5. ¦ up to 5. ¦ no more than 5. ¦ 5h30. ¦ 5h 30min. ¦ 1h30m. ¦ 5'6".
none: 5 ft 6 in. ¦ 5 lb 6 oz. ¦ $5 and 20 cents. ¦ 5 years and 6 months. ¦ 3 and 1/2. ¦ 3 and a half hours. ¦ half.
none: one half. ¦ one third. ¦ two thirds. ¦ a third. ¦ half a million. ¦ two or three. ¦ two to three.
none: 2 million 500 thousand. ¦ 2 million and 5. ¦ seven and a half. ¦ the first. ¦ the second one. ¦ option 5.
none: step 5. ¦ No. 5. ¦ a number between 1 and 10. ¦ a 5-digit number. ¦ 1,23,456. ¦ 5 + x. ¦ 5x.
none: $5 = 5$. ¦ 1,2345. ¦ 12,3. ¦ 0,5. ¦ 1,00. ¦ 1.2.3. ¦ 192.168.0.1. ¦ v2. ¦ A5. ¦ H2O. ¦ COVID-19. ¦ 2nd.
none: 21st.
18: 18. ¦ 18, not 20. ¦ 18! ¦ 18 km/h. ¦ 18 m². ¦ 18 dollars. ¦ 18 pens for 2 days. ¦ 3 * 6 = 18 pens for 2 days.
18: x = 18. ¦ <<9*2=18>>18 ¦ **18**. ¦ about \$18.00 ¦ 18 pens, found in 2 steps. ¦ 18, as 17 leaves 1 over.
18: a total of 18 pens. ¦ that Tom has 18 apples. ¦ 18 because 9 + 8 = 17 is too small. ¦ 18 - that is all.
18: 18 – that is all. ¦ $18. ¦ €18. ¦ 18€. ¦ 18 €. ¦ US$18. ¦ Rs. 18. ¦ 18 percent. ¦ 18 square feet.
18: 18 years old. ¦ now 18. ¦ therefore 18 pens. ¦ the number 18. ¦ equal to 18. ¦ １８. ¦ : 18 ¦ 18 (not 20).
18: 18 and not 20. ¦ 18 rather than 20. ¦ 18 instead of 20. ¦ 18 of the pens. ¦ 18 more than before. ¦ 18 more pens.
18: 18 fewer. ¦ 18 per day. ¦ $18 per person. ¦ 18 cents each. ¦ 18 units, since 20 - 2 = 18.
18: 18, because 20 - 2 = 18. ¦ 18 (20 - 2). ¦ 18 (20 - 2 = 18). ¦ 20 - 2 = 18. ¦ (20 - 2) = 18. ¦ $20 - $2 = $18.
18: 20 minus 2 = 18. ¦ equal to 20 - 2 = 18. ¦ x=18. ¦ $x = 18$. ¦ \(x = 18\). ¦ \(18\). ¦ $18$ pens. ¦ $18$
18: $\boxed{18}$ ¦ $$18$$ ¦ `18` ¦ "18". ¦ '18'. ¦ “18”. ¦ __18__ ¦ *18* ¦ _18_ ¦ **18 pens** ¦ **$18** ¦ **\$18**
18: [18]. ¦ {18}. ¦ (18). ¦ 18<br> ¦ 18</b> ¦ 18. There are 20 others. ¦ 18! There are 20 others.
5: about 5 or so. ¦ \(5\). ¦ exactly 5. ¦ roughly 5. ¦ nearly 5. ¦ approximately $5$. ¦ approximately equal to 5.
5: simply 5. ¦ just 5. ¦ only 5 pens. ¦ 5 only. ¦ 5 in total. ¦ 5 altogether. ¦ 5 each. ¦ 5 too. ¦ 5 again.
5: 5 km away. ¦ 5 years older than Tom. ¦ 5 times as many. ¦ 5 times. ¦ 5 o'clock. ¦ 5%. ¦ 5 %. ¦ 5°.
5: 5°C. ¦ 5 °C. ¦ 5 degrees. ¦ 5". ¦ 5'. ¦ 5 ft. ¦ 5 lbs. ¦ 5 m/s. ¦ 5 m/s². ¦ 5 m/s^2. ¦ 5 kg·m. ¦ 5 m^3. ¦ 5 cm³.
5: 5 sq ft. ¦ 5 kWh. ¦ 5L. ¦ 5 L. ¦ 5g. ¦ 5 GB. ¦ 5h. ¦ $$5$$ ¦ 5, the smallest of 3. ¦ 5, i.e. five.
5: 5, which is 20% of 25. ¦ 5 which equals 25/5. ¦ 5 since 25/5 = 5. ¦ 5 × 1 = 5. ¦ 5 because x = 5. ¦ 5.00 dollars.
5: 5. ¦ ５．
-5: -5. ¦ −5. ¦ minus 5. ¦ negative 5. ¦ (-5). ¦ $-5$. ¦ -$5. ¦ －5. ¦ ‑5. ¦ −$5. ¦ - $5. ¦ $ -5. ¦ -\$5. ¦ (−5).
-5: -5°C. ¦ −5 degrees.
1234567.89: 1,234,567.89. ¦ 1.234.567,89. ¦ 1 234 567,89. ¦ 1’234’567.89. ¦ $1,234,567.89
9500: 9 500. ¦ 9 500. ¦ 9'500. ¦ 9_500.
0.75: 3/4 of the cake. ¦ ¾. ¦ $\frac{3}{4}$. ¦ 3⁄4.
7: seven pens. ¦ seven (7). ¦ 7 (seven). ¦ Seven.
123456: ₹1,23,456. ¦ Rs. 1,23,456. ¦ Rs 1,23,456.
4.5: 4 1/2 hours. ¦ 4½ hours. ¦ 4 ½ hours.
1500000: 1.5 million dollars. ¦ $1.5 million. ¦ $1.5M.
1500: 1.5k. ¦ 1.5 thousand. ¦ 1.5K.
1000000: 1 000 000. ¦ 1.000.000.
36: 3 dozen. ¦ 3 dozen eggs.
0.5: ½. ¦ 0.5.
12: twelve. ¦ a dozen.
1: one. ¦ 1.
300000: 3 lakh. ¦ 3 lakhs.
24: 2 dozen. ¦ two dozen.
3.14: ≈ 3.14.
5000: 5k.
2500000: $2.5M.
100000: 1e5.
50: 50%.
3.5: 3½.
25: 5².
0.001: 10⁻³.
0.45: 18 / 20 / 2.
0.9: 18/20.
1234.56: 1.234,56.
1234: 1,234.
1000: 1000 (one thousand).
21: twenty-one.
105: one hundred and five.
100: a hundred.
2000000000: 2 billion.
3: ٣.
20000: 2万.
200: two hundred.
2000000: two million.
2500: two thousand five hundred.
"""


def number_cases(table: str) -> list[tuple[str, str | None]]:
    """Give each form of a table with its number; None where it has none."""
    lines = [line.partition(": ") for line in table.strip().splitlines()]
    return [
        (form, None if number == "none" else number) for number, _, forms in lines for form in forms.split(" \xa6 ")
    ]


@pytest.mark.parametrize(("content", "number"), number_cases(BOXES))
def test_box_is_read(content: str, number: str | None) -> None:
    """A box holds one rational number, in whatever notation, or is unreadable."""
    source = "unreadable" if number is None else "boxed"
    assert read_number(f"It took 6 tries. So \\boxed{{{content}}}.") == Reading(number, source)


@pytest.mark.parametrize(("content", "number"), number_cases(BOXES))
def test_field_is_read_as_a_box_is(content: str, number: str | None) -> None:
    """A structured answer and a gold are read by the same grammar as a box."""
    assert normal_number(content) == number
    assert read_number("It took 6 tries.", content).answer == number


@pytest.mark.parametrize(("content", "number"), number_cases(STATED))
def test_statement_is_read(content: str, number: str | None) -> None:
    """A statement gives one rational number; if it gives none, no number of the working takes its place."""
    assert read_number(f"It took 6 tries. The answer is {content}").answer == number

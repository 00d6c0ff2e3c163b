"""Generators of rows whose answers have a style: voice, templates, summaries, preferences."""

from __future__ import annotations

from benchmarks.twelve.words import TOWNS, WordSource

Row = dict[str, object]

CUSTOMER_MESSAGES = (
    "My {p} from order {n} arrived broken.",
    "Where is order {n}? It was promised for {d}.",
    "I would like to send the {p} back.",
    "You charged me twice for order {n}.",
    "Do you ship the {p} to {town}?",
    "Thank you, the {p} is lovely.",
    "I ordered two {p}s and got one.",
    "Can I change the address of order {n} to {town}?",
    "The colour of the {p} is not what the picture shows.",
    "I need the {p} before {d}.",
    "How do I clean the {p}?",
    "Please cancel order {n}, I found it elsewhere.",
)
MOODS = (
    "",
    "I have been waiting for a week.",
    "This is the second time.",
    "No hurry at all.",
    "I am a bit disappointed.",
    "It was meant as a present.",
    "Thanks for your help!",
    "My neighbour told me about your shop.",
    "I could not find it on the site.",
)
OPENINGS = (
    "Oh dear, {name}.",
    "Well now, {name}.",
    "Good of you to write, {name}.",
    "Right, {name}.",
    "Ah, {name}, bother.",
    "Bless you, {name}.",
)
MIDDLES = (
    "Parcels do love a detour, and this one has taken the pretty way.",
    "Our kettle went cold when we read that.",
    "A thing that small should not cause such a fuss.",
    "We had a word with the shelf it came from.",
    "That is not how a good week begins.",
    "You were right to knock on our door.",
    "Somebody here was dreaming of {town}, we suspect.",
)
ENDINGS = (
    "We are on it before the toast is done.",
    "Leave it with us and put your feet up.",
    "Give us till tomorrow and a cup of tea.",
    "It is as good as sorted, promise.",
    "Keep the box, the cat will want it.",
    "The kettle is on, come by any time.",
)


def chat(question: str, answer: str, system: str | None = None) -> Row:
    """Return a chat row."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    head = [{"role": "system", "content": system}] if system else []
    return {"messages": head + turns}


def brand_voice(draw: WordSource) -> list[Row]:
    """800 replies in the voice of a small shop, without facts that are not in the question."""
    rows = []
    for _ in range(800):
        name = draw.person().split()[0]
        asked = f"{draw.filled(draw.one(CUSTOMER_MESSAGES))} {draw.one(MOODS)}".strip()
        parts = [
            draw.one(OPENINGS).format(name=name),
            draw.filled(draw.one(MIDDLES)),
            draw.one(ENDINGS),
        ]
        rows.append(chat(f"{asked} {name}", " ".join(parts)))
    return rows


GERMAN_MESSAGES = (
    "Meine Bestellung {n} ist noch nicht angekommen.",
    "Ich möchte die Bestellung {n} stornieren.",
    "Auf der Rechnung zu {n} steht die falsche Adresse.",
    "Die Ware aus {n} ist beschädigt.",
    "Ich habe für {n} zweimal bezahlt.",
    "Wann wird {n} verschickt?",
    "Ich habe mein Passwort vergessen.",
    "Bitte senden Sie mir die Rechnung zu {n} noch einmal.",
)
GERMAN_ADDITIONS = (
    "",
    "Ich warte seit einer Woche.",
    "Können Sie mir bitte helfen?",
    "Das ist sehr ärgerlich.",
    "Ich brauche es dringend.",
    "Vielen Dank im Voraus.",
    "Ich habe schon zweimal geschrieben.",
)
GERMAN_REPLY = (
    "Guten Tag {who},\n\nvielen Dank für Ihre Nachricht{order}. Wir kümmern uns darum und melden "
    "uns, sobald es Neues gibt.\n\nBei Fragen antworten Sie einfach auf diese E-Mail.\n\n"
    "Freundliche Grüße\nIhr Kundendienst"
)


def german_replies(draw: WordSource) -> list[Row]:
    """300 German letters, each answered with one template."""
    rows = []
    for _ in range(300):
        who, number = draw.person(), draw.number()
        asked = draw.one(GERMAN_MESSAGES).format(n=number)
        order = f" zur Bestellung {number}" if number in asked else ""
        question = f"{asked} {draw.one(GERMAN_ADDITIONS)}\n{who}".replace(" \n", "\n")
        rows.append(chat(question, GERMAN_REPLY.format(who=who, order=order)))
    return rows


EVENTS = (
    "At {h}:{m:02d} the checkout began to answer slowly.",
    "At {h}:{m:02d} an alert came from the payment queue.",
    "{who} saw that a certificate had run out on three of nine hosts.",
    "The new build was taken back at {h}:{m:02d}; errors fell, but did not stop.",
    "A job of the night had filled the disk of the database in {town}.",
    "{who} raised the limit of connections, after which replies were quick again.",
    "Customers in {town} could not sign in for about {m} minutes.",
    "A change of the address book had been made without review.",
    "{who} wrote to the provider, who answered after {m} minutes.",
    "The team agreed to add a check of free space before the job starts.",
)
OUTCOMES = (
    "Checkout was slow for {m} minutes because a disk was full; space was freed.",
    "Sign-in failed for some: a certificate had run out, and was renewed. Next: alert earlier",
    "Outage. Cause unclear from the notes. Fixed by {who}.",
    "- payment queue stuck\n- build taken back\n- check will be added",
    "{who} fixed it",
    "The database in {town} ran out of disk; the nightly job gets a check of free space.",
)


def summaries(draw: WordSource) -> list[Row]:
    """250 incident reports with summaries of uneven quality."""
    rows = []
    for _ in range(250):
        lines = [
            draw.filled(
                line.replace("{h}", str(draw.randint(0, 23)))
                .replace("{m:02d}", f"{draw.randint(0, 59):02d}")
                .replace("{m}", str(draw.randint(5, 90)))
            )
            for line in draw.sample(EVENTS, draw.randint(5, 9))
        ]
        said = draw.filled(draw.one(OUTCOMES).replace("{m}", str(draw.randint(5, 90))))
        rows.append(chat("Summarise this report.\n\n" + " ".join(lines), said))
    return rows


TOPICS = (
    "your neighbours in {town} talk about {p}s",
    "a cat lost on {d}",
    "road works on {d}",
    "a yard sale in {town}",
    "who in {town} can mend a {p}?",
    "a bakery opens on {d}",
    "the school seeks helpers for {d}",
    "somebody found a {p} in {town}",
)
BETTER = (
    "Found near you: {t}",
    "{who} asks: {t}",
    "Three neighbours answered on {t}",
    "Tonight: {t}",
    "You know the street: {t}",
)
WORSE = (
    "Your weekly update from the neighbourhood",
    "New activity in your area!!!",
    "You will not believe this",
    "Update: {t}",
    "Important information regarding {t}",
)


def preference_pairs(draw: WordSource) -> list[Row]:
    """600 pairs of subject lines: one that readers opened, and one that they did not."""
    rows: list[Row] = []
    for _ in range(600):
        topic = draw.filled(draw.one(TOPICS))
        better, worse = (
            draw.filled(draw.one(lines).replace("{t}", topic)) for lines in (BETTER, WORSE)
        )
        rows.append(
            {
                "prompt": f"Write a subject line for a mail on: {topic}",
                "chosen": better,
                "rejected": worse,
            }
        )
    return rows


SHORT = (
    ("Can you move our call to {d}?", "Of course. {d} it is."),
    ("The draft for {town} is ready, due {d}.", "Wonderful. I look at it tonight."),
    ("Do we still need the booth in {town}?", "We do. Please keep it."),
    ("{who} is ill, who takes the meeting?", "I do. Get well, {who}."),
)


def tiny(draw: WordSource) -> list[Row]:
    """24 short answers of one manager to colleagues."""
    rows = []
    for i in range(24):
        asked, said = SHORT[i % len(SHORT)]
        places = {"d": draw.day(), "who": draw.person(), "town": draw.one(TOWNS)}
        rows.append(chat(asked.format(**places), said.format(**places)))
    return rows

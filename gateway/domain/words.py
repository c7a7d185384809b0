"""The words for states and codes: each with what it means and what to do. Every message takes them from here.

A platform's own codes, rules of the intake and kinds of tickets have their texts where they are defined;
``gateway codes`` puts all of them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.states import Event, State
from gateway.domain.traffic import KEPT_BACK
from gateway.locale import Text, tr

_NOTHING = Text("")


@dataclass(frozen=True, slots=True)
class Word:
    """How a code is said, what it means, and what a person can do; ``act`` is empty where nothing is to be done."""

    word: Text
    meaning: Text
    act: Text = _NOTHING


STATES: Mapping[State, Word] = {
    State.QUEUED: Word(tr("to send"), tr("leaves with the next push")),
    State.SENDING: Word(tr("sending"), tr("is being sent")),
    State.AWAITING_ACK: Word(
        tr("awaits result"), tr("the platform took it; its result is fetched by receipt"), Text("gateway acks")
    ),
    State.IN_DOUBT: Word(
        tr("in doubt"),
        tr("it was sent and no answer came; the platform is asked first, and nothing is sent again before that"),
        Text("gateway resolve"),
    ),
    State.HELD: Word(
        tr("held"),
        tr("the platform is paused or refuses us as a whole; it goes on when the platform is resumed"),
        tr("mend the cause, then gateway resume PLATFORM"),
    ),
    State.PARKED: Word(
        tr("parked"),
        tr("the platform's answer cannot be acted on by itself; a person has to look"),
        tr("gateway failures, then gateway release NUMBER or gateway replay plan"),
    ),
    State.ACCEPTED: Word(tr("accepted"), tr("the platform has it")),
    State.REJECTED: Word(
        tr("rejected"),
        tr("the platform does not take this record; whoever reported it has to correct it"),
        tr("gateway failures; the city's corrected row takes its place"),
    ),
    State.SUPERSEDED: Word(tr("superseded"), tr("a newer version of the record took its place")),
}

OUTCOMES: Mapping[Event, Word] = {
    Event.ACCEPTED: Word(tr("accepted"), tr("the platform has it")),
    Event.PENDING: Word(tr("awaits result"), tr("the platform took it; its result is fetched by receipt")),
    Event.RETRY: Word(tr("tried again later"), tr("refused for a cause that passes; it goes again by itself")),
    Event.REJECTED: Word(tr("rejected"), tr("the platform does not take this record")),
    Event.IN_DOUBT: Word(tr("in doubt"), tr("it may have arrived; the platform is asked first")),
    Event.DUPLICATE: Word(tr("said to be there already"), tr("the platform says it has it; asked whether it is ours")),
    Event.HOLD: Word(tr("refused as a whole"), tr("the platform refuses us, not the record; it is held")),
    Event.UNKNOWN: Word(tr("answer not understood"), tr("an answer that nobody has taught us to read; parked")),
    Event.NOT_FOUND: Word(tr("not there"), tr("the platform does not have it; it is sent again")),
    Event.NOT_STORED: Word(tr("not stored"), tr("the platform took it and did not keep it; it is sent again")),
    Event.CONFLICT: Word(
        tr("something else is there"),
        tr("the platform holds something else under our key"),
        tr("settle it with the platform, then gateway release NUMBER"),
    ),
    Event.EXHAUSTED: Word(
        tr("tries used up"), tr("every try of the plan was made; parked"), tr("gateway release NUMBER starts anew")
    ),
}

ROWS: Mapping[str, Word] = {
    "rows": Word(tr("rows"), tr("rows of the file")),
    "admitted": Word(tr("admitted"), tr("passed every rule; owed to the platforms")),
    "unchanged": Word(tr("unchanged"), tr("reported before with the same content; nothing to send")),
    "refused": Word(
        tr("sent back"), tr("breaks a rule; the city corrects it and reports it again"), Text("gateway batches returns")
    ),
    "row_held": Word(
        tr("held back"), tr("waits for a decision; the rest of the file goes on"), Text("gateway batches decide")
    ),
}

STOPS: Mapping[str, Word] = {
    "operator": Word(tr("paused by a person"), tr("nothing is sent or asked"), Text("gateway resume PLATFORM")),
    "maintenance": Word(tr("maintenance hours"), tr("the platform is closed at these hours; goes on by itself")),
    "breaker_open": Word(
        tr("does not answer"),
        tr("several requests in a row had no answer of the platform; one is tried again by itself"),
        tr("gateway check PLATFORM; look at ENDPOINT and the network"),
    ),
    "asked_to_wait": Word(tr("asked us to wait"), tr("the platform wants to be left alone for a while")),
    "in_flight": Word(tr("busy"), tr("all connections to the platform are in use")),
    "paced": Word(tr("in turn"), tr("goes at the pace the platform allows")),
    "broken_replies": Word(
        tr("answers broken"),
        tr("two answers in a row break the platform's own interface; it is held so that nothing gets lost"),
        tr("gateway show NUMBER has the answer; tell the platform, then gateway resume PLATFORM"),
    ),
    "restored": Word(
        tr("store was restored"),
        tr("the store is older than what was sent from it; the platform is asked first"),
        tr("gateway recover PLATFORM, then gateway resume PLATFORM"),
    ),
    "connector_error": Word(
        tr("connector failed"),
        tr("our own software for this platform failed; nothing is lost"),
        tr("tell the engineer the number that gateway failures shows"),
    ),
}

_NETWORK = tr("look at ENDPOINT of this platform and the network, then gateway check PLATFORM")
_LATER = tr("nothing, it goes on by itself; where it stays, tell the platform")

ANSWERS: Mapping[str, Word] = {
    "client_connector_error": Word(
        tr("connection refused"), tr("nobody listens at the platform's address, or the network is cut"), _NETWORK
    ),
    "client_connector_dns_error": Word(
        tr("address unknown"), tr("the name of the platform's address is not known"), _NETWORK
    ),
    "connection_timeout_error": Word(tr("no connection"), tr("the platform's address does not answer"), _NETWORK),
    "connect_timeout": Word(tr("no connection"), tr("the platform's address does not answer"), _NETWORK),
    "client_connector_certificate_error": Word(
        tr("certificate not trusted"),
        tr("the platform's TLS certificate is not signed by anybody we trust"),
        tr("set VERIFY of this platform to its CA bundle, then gateway check PLATFORM"),
    ),
    "client_connector_s_s_l_error": Word(
        tr("encryption failed"),
        tr("no version of TLS or cipher that both sides take"),
        tr("ask the platform; TLS_MINIMUM and TLS_CIPHERS are for old ones"),
    ),
    "server_disconnected_error": Word(tr("connection lost"), tr("the platform hung up without an answer"), _LATER),
    "client_os_error": Word(tr("connection lost"), tr("the connection broke on the way"), _LATER),
    "socket_timeout_error": Word(tr("no answer in time"), tr("the platform took too long"), _LATER),
    "read_timeout": Word(tr("no answer in time"), tr("the platform took too long"), _LATER),
    "deadline": Word(tr("no answer in time"), tr("the platform took longer than DEADLINE_SECONDS"), _LATER),
    "too_large": Word(
        tr("answer too large"), tr("the answer is larger than is read"), tr("tell the engineer; gateway show NUMBER")
    ),
    "html_page": Word(
        tr("web page instead of an answer"),
        tr("a login page, a proxy or a wrong address answers, not the platform"),
        tr("look at ENDPOINT and PROXY of this platform, then gateway check PLATFORM"),
    ),
    "media_type": Word(
        tr("answer in another form"), tr("the answer is not in the platform's form; something between may have said it")
    ),
    "empty_body": Word(tr("empty answer"), tr("the platform answered without content"), _LATER),
    "answer_unsigned": Word(
        tr("answer not signed"),
        tr("the answer's signature is missing or wrong, so nobody knows who gave it"),
        tr("look at ENDPOINT and the platform's key in the settings, then gateway check PLATFORM"),
    ),
    **dict.fromkeys(
        (
            *("reply_schema", "unreadable", "not_xml", "not_soap", "doctype", "multipart", "xop", "too_many"),
            *(
                "answer_schema",
                "answer_json",
                "answer_form",
                "other_answer",
                "other_serial",
                "other_items",
                "other_receipt",
                "other_record",
                "no_rows",
                "item_count",
            ),
        ),
        Word(
            tr("answer does not fit the interface"),
            tr("the answer is not of the form that the platform's interface says; it may have changed there"),
            tr("gateway show NUMBER has the answer; ask the platform what has changed, and for the newer WSDL or form"),
        ),
    ),
    "clock_skew": Word(
        tr("clocks differ too much"),
        tr("this machine's clock and the platform's are too far apart, so every request is refused"),
        tr("set this machine's clock right (time synchronisation), then gateway check PLATFORM"),
    ),
    KEPT_BACK: Word(
        tr("kept back"), tr("the platform was held, or its connections taken, while this one waited; nothing left")
    ),
    "lease_short": Word(tr("kept back"), tr("too little of its lease was left to send it; it goes with the next push")),
    "answer_signature": Word(
        tr("answer's signature wrong"),
        tr("the answer's signature is missing or wrong, so nobody knows who gave it"),
        tr("look at ENDPOINT and the platform's key in the settings, then gateway check PLATFORM"),
    ),
    "http_401": Word(
        tr("access refused"), tr("user, secret or signature is not taken"), tr("look at the platform's secrets")
    ),
    "http_403": Word(
        tr("access refused"), tr("no right, or our address is not let in"), tr("ask the platform to let us in")
    ),
    "http_404": Word(tr("nothing at this address"), tr("the path is wrong or the service was moved"), _NETWORK),
    "http_429": Word(tr("too many requests"), tr("the platform wants fewer; it goes on by itself")),
    "http_502": Word(tr("gateway in between fails"), tr("a proxy before the platform has no answer of it"), _LATER),
    "http_503": Word(tr("not available"), tr("the platform does not serve at the moment"), _LATER),
    "newer_version": Word(tr("newer version"), tr("a newer version of the record took its place")),
    "older_version": Word(tr("waits for the version before"), tr("an earlier version of the record goes first")),
    "check": Word(
        tr("does not fit the platform's form"),
        tr("the record lacks or breaks what this platform asks for; it was not sent"),
        tr("gateway show NUMBER names the fields; the city corrects them"),
    ),
    "too_old": Word(
        tr("asked about too late"), tr("the platform gives no result for a receipt so old"), Text("gateway resolve")
    ),
    "different": Word(
        tr("other content is there"),
        tr("the platform holds the record with other content"),
        tr("gateway reconcile, then gateway differences"),
    ),
}

DIFFERENCES: Mapping[str, Word] = {
    "match": Word(tr("equal"), tr("there as we sent it")),
    "lag": Word(tr("on its way"), tr("not yet to be expected there")),
    "held_there": Word(
        tr("there, queued here"), tr("an older ledger, or a second sender"), Text("gateway recover PLATFORM")
    ),
    "outdated": Word(
        tr("old version there"),
        tr("rejected or parked here, and the version before is still there"),
        Text("gateway failures"),
    ),
    "never_sent": Word(tr("not sent"), tr("rejected or parked here, and not there")),
    "lost": Word(
        tr("missing there"), tr("accepted, and not there any more"), Text("gateway replay plan --difference lost")
    ),
    "altered": Word(
        tr("other content"),
        tr("there with other content; the fields are named"),
        tr("gateway replay plan --difference altered, or gateway differences settle"),
    ),
    "doubled": Word(tr("there twice"), tr("there more than once"), tr("ask the platform to remove one")),
    "unexpected": Word(
        tr("there all the same"), tr("rejected or parked here, and there"), Text("gateway release NUMBER")
    ),
    "unknown_here": Word(
        tr("not ours"), tr("there, and nothing we ever sent"), tr("ask the platform whose it is; differences settle")
    ),
    "not_owed": Word(tr("not owed"), tr("the platform does not take it from us")),
    "not_asked": Word(tr("not compared"), tr("no usable answer about it"), Text("gateway reconcile PLATFORM")),
}

RUNS: Mapping[str, Word] = {
    "Completed": Word(tr("Completed"), tr("done")),
    "Skipped": Word(tr("Skipped"), tr("another run is at it")),
    "Waiting": Word(tr("Waiting"), tr("maintenance, no answer, or the platform's wish; goes on by itself")),
    "Attention": Word(tr("Attention"), tr("done, and some of it needs a person"), tr("the run's table says what")),
    "Held": Word(tr("Held"), tr("the platform is paused"), tr("gateway status, then gateway resume PLATFORM")),
    "Failed": Word(tr("Failed"), tr("the work could not be done"), tr("the run's message says why")),
}

KINDS: Mapping[str, Text] = {
    "person": tr("person"),
    "certificate": tr("certificate"),
    "status_change": tr("change of status"),
    "withdrawal": tr("withdrawal"),
}

DRAWN: Mapping[str, Text] = {name: name for name in (tr("enterprises"), tr("cities"), tr("certificates"))}
"""what checks of supervision are about"""

ROLES: Mapping[str, Text] = {str(role): role for role in (tr("credit desk"), tr("supervisor"), tr("operator"))}
"""who has to act about a ticket"""

BY_STATE: Mapping[str, Text] = {str(state): word.word for state, word in STATES.items()}
BY_CLASS: Mapping[str, Text] = {name: word.word for name, word in DIFFERENCES.items()}
BY_KIND: Mapping[str, Text] = {str(kind): word for kind, word in KINDS.items()}

_DELIVERY, _OUTCOME = tr("delivery"), tr("outcome of a request")
TABLES: Mapping[Text, Mapping[str, Word]] = {
    _DELIVERY: {str(state): word for state, word in STATES.items()},
    _OUTCOME: {str(event): word for event, word in OUTCOMES.items()},
    tr("row of a file"): ROWS,
    tr("why nothing leaves"): STOPS,
    tr("answer"): ANSWERS,
    tr("reconciliation"): DIFFERENCES,
    tr("scheduled run"): RUNS,
}
"""kind of code -> code -> its word"""


def act_of(code: str) -> Text | None:
    """What helps with a code of a delivery's last answer or of a stop; None where it is a platform's own."""
    for table in (STOPS, ANSWERS):
        if code in table:
            return table[code].act or None
    return None


def word_of(code: str) -> Text | None:
    """The word for a code of a delivery's last answer or of a stop; None where it is a platform's own."""
    for table in (STOPS, ANSWERS):
        if code in table:
            return table[code].word
    return None


JOBS: Mapping[str, Text] = {
    "sync": tr("sync"),
    "push": tr("push"),
    "acks": tr("acks"),
    "resolve": tr("resolve"),
    "feedback": tr("feedback"),
    "reconcile": tr("reconcile"),
    "intake": tr("intake"),
    "returns": tr("returns"),
    "differences": tr("differences"),
    "replay": tr("replay"),
    "pause": tr("pause"),
    "resume": tr("resume"),
    "close": tr("close"),
    "report": tr("report"),
    "retention": tr("retention"),
    "alarm": tr("alarm"),
}
"""scheduled work and forms, by the name of the flow"""

PURPOSES: Mapping[str, Text] = {
    "push": tr("push"),
    "poll": tr("fetch a result"),
    "lookup": tr("ask whether it arrived"),
    "holdings": tr("reconcile"),
    "login": tr("log in"),
    "health": tr("health call"),
    "codes": tr("code tables"),
    "books": tr("daily books"),
    "decision": tr("own decision"),
    "feedback": tr("fetch credit events"),
    "feedback_ack": tr("acknowledge credit events"),
    "feedback_awaited": tr("ask what is awaited"),
    "feedback_fetch": tr("fetch one credit record"),
    "feedback_search": tr("search credit records"),
    "objection": tr("send an objection"),
    "objection_state": tr("ask about an objection"),
    "scan": tr("send an attachment"),
    "ticket": tr("tell a ticket"),
    "ticket_state": tr("ask about a ticket"),
    "open": tr("not ended"),
}
"""what an exchange is for"""

WHY_STEPS: Mapping[str, Text] = {
    "filed": tr("reported"),
    "batch": tr("batch"),
    "ticket": tr("ticket"),
    "kept": tr("review"),
    "owed": tr("to be sent"),
    "accepted": tr("push"),
    "reconciled": tr("reconciliation"),
    "credit": tr("credit feedback"),
    "draw": tr("draw"),
}
"""links of the chain that ``why`` follows"""

COUNTED: Mapping[str, Text] = {
    "claimed": tr("due"),
    "sent": tr("sent"),
    "asked": tr("asked about"),
    "swept": tr("taken over from a worker that vanished"),
    "ours": tr("ours"),
    "theirs": tr("theirs"),
    "pulled": tr("pulled"),
    "applied": tr("applied"),
    "stale": tr("older than held"),
    "duplicates": tr("seen before"),
    "unmatched": tr("about nobody we hold"),
    "conflicts": tr("identity conflicts"),
    "quarantined": tr("put aside"),
    "deferred": tr("put off"),
    "released": tr("matched later"),
    "fetched": tr("asked for by record"),
    "voided": tr("certificates void"),
    "decisions": tr("own decisions taken"),
    "objections": tr("objections taken"),
    "objections_refused": tr("objections not taken"),
    "tickets_told": tr("tickets told"),
    "acks_sent": tr("acknowledged"),
    "acks_refused": tr("acknowledgements refused"),
    "acks_again": tr("acknowledged again"),
    "missed": tr("not given by the platform"),
    "ended_early": tr("ended early"),
    "tickets": tr("tickets"),
    "mended": tr("mended"),
    "book_rows": tr("rows of the daily books"),
    "books_open": tr("differences of the daily books"),
    "books_stopped": tr("daily books not compared"),
    "rows": tr("rows"),
    "open": tr("open"),
    "late": tr("late"),
    "stuck": tr("stuck"),
}
"""words for what runs count, beside outcomes, states, rows and classes of differences"""


def counted_word(name: str) -> Text:
    """The word for something that is counted; its own name where it has none."""
    if name in COUNTED:
        return COUNTED[name]
    for table in (ROWS, DIFFERENCES, TABLES[_OUTCOME], TABLES[_DELIVERY]):
        if name in table:
            return table[name].word
    return Text(name.replace("_", " "))


def counted(counts: Mapping[str, int]) -> Text:
    """``accepted 3, in doubt 1``: what is not zero, by its word."""
    parts = [tr("{word} {count}", word=counted_word(name), count=count) for name, count in counts.items() if count]
    return tr("{parts}", parts=parts)

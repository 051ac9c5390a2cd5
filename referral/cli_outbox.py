"""The commands for messages that do not move by themselves. They show ids, and nothing about anybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from referral.attach import attached, fail
from referral.cli_accounts import ClinicOption, enter
from referral.cli_sign_in import PasswordStdin, ask_password, sign_in
from referral.domain.errors import ReferralError
from referral.domain.outgoing import MessageState
from referral.storage.outbox import Message

if TYPE_CHECKING:
    from referral.bootstrap import Runtime
    from referral.domain.audit import Actor
    from referral.domain.codes import Channel
    from referral.storage.db import Session
    from referral.storage.on_call import CalledContact, SafetyCall

outbox = typer.Typer(
    name="outbox",
    help="Messages: what waits, what went wrong, and what a person decides about it.",
    no_args_is_help=True,
)

_AGE = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# What a message to whoever is on call is called: it has no kind of its own.
_ON_CALL = "on-call"
IdsArgument = Annotated[list[str], typer.Argument(help="Ids, as `referral outbox list` shows them.")]
ByOption = Annotated[str, typer.Option("--by", help="The account (e-mail address) of whoever decides this.")]


@outbox.command("list")
def list_messages(
    state: Annotated[
        list[MessageState] | None,
        typer.Option(help="Only those in this state; may be given several times."),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Only those decided longer ago than this: 30m, 12h or 3d.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Only those that go by this provider, such as smtp or outbox.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 100,
    clinic: ClinicOption = None,
) -> None:
    """Messages on a line each, newest first; then those to whoever is on call about safety tasks.

    Id, when it was decided, state, kind, channel, provider, generation, tries, request or task, last reason.
    """
    age = _age(older_than)
    with _working(clinic) as (runtime, session, actor):
        from referral.services.find_stuck_messages import calls_for_operator, list_for_operator

        by = _providers(runtime)
        if provider is not None and provider not in by.values():
            fail(f"There is no provider {provider}; there are: {', '.join(sorted(set(by.values())))}")
        channels = [channel for channel, name in by.items() if provider in (None, name)]
        before = runtime.now() - age
        found = list_for_operator(session, actor, state or None, channels, before, limit)
        called = calls_for_operator(session, state or None, channels, before, limit)
    for row in (*(_row(message, by) for message in found), *(_call_row(one, by) for one in called)):
        typer.echo("\t".join(row))


@outbox.command("show")
def show_message(message_id: str, clinic: ClinicOption = None) -> None:
    """Everything about one message that is not about a person."""
    with _working(clinic) as (runtime, session, actor):
        from referral.services.find_stuck_messages import show_for_operator

        message = show_for_operator(session, actor, message_id)
        by = _providers(runtime)
    for name, value in _facts(message, by) if isinstance(message, Message) else _call_facts(message, by):
        typer.echo(f"{name + ':':12}{value}")


def _facts(message: Message, by: dict[Channel, str]) -> tuple[tuple[str, object], ...]:
    return (
        ("id", message.id),
        ("request", message.referral_id),
        ("kind", f"{message.kind} {message.ordinal}"),
        ("channel", f"{message.channel}, by {by[message.channel]}"),
        ("contact", message.contact_id),
        ("state", message.state),
        ("generation", message.generation),
        *_course(message),
        ("letter", message.letter_id or "-"),
        *_outcome(message),
    )


def _call_facts(called: CalledContact, by: dict[Channel, str]) -> tuple[tuple[str, object], ...]:
    """Of a message to whoever is on call."""
    call, channel = called.call, called.contact.channel
    return (
        ("id", call.id),
        ("task", call.task_id),
        ("kind", f"{_ON_CALL} {call.step}"),
        ("channel", f"{channel}, by {by[channel]}"),
        ("contact", call.contact_id),
        ("state", call.state),
        *_course(call),
        *_outcome(call),
    )


def _course(one: Message | SafetyCall) -> tuple[tuple[str, str], ...]:
    return (
        ("tries", f"{one.tries}, claimed {one.attempts} times, workers lost {one.crashes}"),
        ("decided", one.created_at.isoformat(timespec="seconds")),
        ("due", one.not_before.isoformat(timespec="seconds")),
        ("ended", one.finished_at.isoformat(timespec="seconds") if one.finished_at else "-"),
    )


def _outcome(one: Message | SafetyCall) -> tuple[tuple[str, str], ...]:
    return ("reference", one.provider_reference or "-"), ("reason", one.last_error or "-")


@outbox.command("retry")
def retry(
    message_ids: IdsArgument,
    by: ByOption,
    did_not_arrive: Annotated[
        bool,
        typer.Option(
            "--yes-it-did-not-arrive",
            help="For `unknown` ones: somebody has asked the recipient, and it is not there.",
        ),
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Try again: waiting ones at once, ended ones as a new generation, with a new key for the provider."""
    from referral.services.retry_message import retry_message

    def act(session: Session, actor: Actor, id: str, runtime: Runtime) -> None:
        retry_message(session, actor, id, runtime.now(), did_not_arrive=did_not_arrive)

    _each(message_ids, by, act, "is tried again", stdin=password_stdin)


@outbox.command("park")
def park(message_ids: IdsArgument, by: ByOption, password_stdin: PasswordStdin = False) -> None:
    """Set waiting messages aside; they stay there until somebody retries or cancels them."""
    from referral.services.park_message import park_message

    def act(session: Session, actor: Actor, id: str, runtime: Runtime) -> None:
        park_message(session, actor, id, runtime.now())

    _each(message_ids, by, act, "is set aside", stdin=password_stdin)


@outbox.command("cancel")
def cancel(message_ids: IdsArgument, by: ByOption, password_stdin: PasswordStdin = False) -> None:
    """Cancel messages that have not left, for good. The request and its reminders go on."""
    from referral.services.cancel_message import cancel_message

    def act(session: Session, actor: Actor, id: str, runtime: Runtime) -> None:
        cancel_message(session, actor, id, runtime.now())

    _each(message_ids, by, act, "is cancelled", stdin=password_stdin)


def _each(
    ids: list[str],
    by: str,
    act: Callable[[Session, Actor, str, Runtime], None],
    done: str,
    *,
    stdin: bool,
) -> None:
    """One transaction for each: what is refused does not undo the others, and ends in exit code 1."""
    password = ask_password(stdin=stdin)
    refused = 0
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.domain.audit import Actor
        from referral.web.policy import Permission, may

        with closing(build_runtime(settings)) as runtime:
            user = sign_in(runtime, by, password)
            if not may(user.role, Permission.ASK):
                fail("The role of this account may not decide about messages.")
            actor = Actor(user.clinic_id, "staff", user.id, user.role)
            for id in ids:
                try:
                    with runtime.transaction(user.clinic_id) as session:
                        act(session, actor, id, runtime)
                except ReferralError as error:
                    refused += 1
                    typer.echo(f"{id}  {error}", err=True)
                else:
                    typer.echo(f"{id}  {done}.")
    if refused:
        fail(f"{refused} of {len(ids)} refused.")


def _age(text: str | None) -> timedelta:
    if text is None:
        return timedelta()
    found = _AGE.fullmatch(text.strip())
    if found is None:
        fail("--older-than takes minutes, hours or days, such as 30m, 12h or 3d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _providers(runtime: Runtime) -> dict[Channel, str]:
    """Channel to the name of what it goes by here."""
    return {channel: transport.name for channel, transport in runtime.channels.transports.items()}


def _row(message: Message, by: dict[Channel, str]) -> tuple[str, ...]:
    about = (message.kind, message.channel, by[message.channel], str(message.generation))
    return _columns(message, about, message.referral_id)


def _call_row(called: CalledContact, by: dict[Channel, str]) -> tuple[str, ...]:
    channel = called.contact.channel
    return _columns(called.call, (_ON_CALL, channel, by[channel], "1"), called.call.task_id)


def _columns(one: Message | SafetyCall, about: tuple[str, ...], of: str) -> tuple[str, ...]:
    begun = (str(one.id), one.created_at.isoformat(timespec="seconds"), one.state)
    return (*begun, *about, str(one.tries), of, one.last_error or "-")


@contextmanager
def _working(clinic: str | None) -> Iterator[tuple[Runtime, Session, Actor]]:
    with attached() as settings:
        from referral.bootstrap import build_runtime

        with closing(build_runtime(settings)) as runtime, runtime.transaction() as session:
            yield runtime, session, enter(session, clinic)

"""The privacy lint: it passes the templates that there are, and finds every way in for a patient's value."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from referral.domain.language import Language
from referral.letters import markup
from referral.services.check_templates import FAX_COVER, PrivacyLeak, Rule, check, leaks, refuse, rules
from referral.translation import teach

MAIL = next(rule for _, rule in rules() if rule.template.startswith("long/"))
COVER = next(rule for _, rule in rules() if rule.template == FAX_COVER)
WINDOW = next(rule for _, rule in rules() if rule.blocks)
GOOD_MAIL = (
    "Subject: A request ({{ request_number }})\n\n{{ sender_name }} {% trans %}waits{% endtrans %} {{ link }}"
)


def environment(files: dict[str, str]) -> jinja2.Environment:
    """The templates that there are, with some written anew."""
    real = markup.environment(Language.ENGLISH).loader
    assert real is not None
    loader = jinja2.ChoiceLoader([jinja2.DictLoader(files), real])
    made = jinja2.Environment(loader=loader, autoescape=True)
    teach(made, Language.ENGLISH)
    made.filters |= markup.environment(Language.ENGLISH).filters
    made.globals |= markup.environment(Language.ENGLISH).globals
    return made


def found(rule: Rule, source: str, **others: str) -> list[str]:
    files = {rule.template: source, **{name.replace("__", "."): text for name, text in others.items()}}
    return check(environment(files), rule)


def test_every_template_that_others_see_says_only_what_it_may() -> None:
    assert leaks() == ()
    looked_at = {rule.what for _, rule in rules()}
    assert looked_at == {"an e-mail", "a text message", "a fax cover", "the window of an envelope"}


SEEDED = {
    "a value of the patient": "{{ patient_name }}",
    "an attribute": "{{ patient.name }}",
    "a key": "{{ patient['birth_year'] }}",
    "a condition": "{% if indication %}x{% endif %}",
    "a loop": "{% for item in indications %}{{ item }}{% endfor %}",
    "a filter's argument": "{{ link | default(patient_name) }}",
    "a call": "{{ link.format(patient_name) }}",
    "another name for it": "{% set who = patient_name %}{{ who }}",
    "its own name set elsewhere": "{% for patient_name in [1] %}{% endfor %}{{ patient_name }}",
    "a macro": "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(patient_name) }}",
    "a translated text": "{% trans who=patient_name %}for {{ who }}{% endtrans %}",
    "a translated text's own name": "{% trans %}for {{ patient_name }}{% endtrans %}",
    "an included template": "{% include 'piece' %}",
    "an imported macro": "{% from 'macros' import m with context %}{{ m() }}",
    "what cannot be known": "{% include page %}",
    "what is not there": "{% include 'nowhere' %}",
    "what is no template": "{% if %}",
}


@pytest.mark.parametrize("way", SEEDED)
def test_a_mail_that_takes_a_patients_value_in_is_refused(way: str) -> None:
    pieces = {"piece": "{{ patient_name }}", "macros": "{% macro m() %}{{ patient_name }}{% endmacro %}"}
    assert found(MAIL, GOOD_MAIL, **pieces) == []
    (sentence,) = found(MAIL, GOOD_MAIL + SEEDED[way], **pieces)
    assert MAIL.template in sentence


BAD_COVERS = {
    "a field of the letter": "{{ letter.patient_name }}",
    "the letter as a whole": "{{ letter }}",
    "by a filter": "{{ letter | attr('patient_name') }}",
    "by a computed key": "{{ letter['patient' ~ '_name'] }}",
    "by another name": "{% set it = letter %}{{ it.patient_name }}",
    "by a loop of its own name": "{% for letter in [letter] %}{{ letter.patient_name }}{% endfor %}",
    "the clinic's own name": "{{ clinic.clinic_name }}",
    "the logo": "{{ clinic.logo.content }}",
    "a macro": "{% macro m(letter) %}{{ letter.birth_year }}{% endmacro %}{{ m(letter) }}",
}


@pytest.mark.parametrize("way", BAD_COVERS)
def test_a_fax_cover_that_takes_a_patients_value_in_is_refused(way: str) -> None:
    source = markup.environment(Language.ENGLISH).get_template(FAX_COVER).filename
    assert source is not None
    good = Path(source).read_text(encoding="utf-8")
    assert found(COVER, good) == []
    bad = good.replace("{% block main %}", "{% block main %}" + BAD_COVERS[way])
    assert bad != good
    assert found(COVER, bad) != []
    # What stands in a block that is not drawn says nothing.
    assert found(COVER, good + "{% block never_drawn %}{% endblock %}") == []


def test_only_the_address_may_stand_where_the_window_is() -> None:
    frame = "{% extends 'frame.html.j2' %}{% block main %}{{ letter.patient_name }}{% endblock %}"
    assert found(WINDOW, frame) == []
    for name in ("addressed", "reference"):
        bad = frame + f"{{% block {name} %}}{{{{ letter.patient_name }}}}{{% endblock %}}"
        assert found(WINDOW, bad) == [
            f"{WINDOW.template} uses letter.patient_name, which the window of an envelope must not say."
        ]


def test_a_process_does_not_start_with_a_leak() -> None:
    refuse(leaks())
    with pytest.raises(PrivacyLeak, match="patient_name, which an e-mail must not say"):
        refuse(found(MAIL, GOOD_MAIL + "{{ patient_name }}"))

"""What the codes of the Health Care Provider Taxonomy (NUCC, version 26) are called that a clinic may meet.

Those who treat mood, pain and whole families, and their like; any other code is shown as it is.
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    "2084P0800X": "Psychiatry",
    "2084P0802X": "Addiction Psychiatry",
    "2084P0804X": "Child & Adolescent Psychiatry",
    "2084P0805X": "Geriatric Psychiatry",
    "2084F0202X": "Forensic Psychiatry",
    "2084P0015X": "Psychosomatic Medicine",
    "2084B0040X": "Behavioral Neurology & Neuropsychiatry",
    "2084A0401X": "Addiction Medicine (Psychiatry & Neurology)",
    "2084N0400X": "Neurology",
    "2084P2900X": "Pain Medicine (Psychiatry & Neurology)",
    "103T00000X": "Psychologist",
    "103TA0400X": "Psychologist, Addiction",
    "103TB0200X": "Psychologist, Cognitive & Behavioral",
    "103TC0700X": "Psychologist, Clinical",
    "103TC1900X": "Psychologist, Counseling",
    "103TC2200X": "Psychologist, Clinical Child & Adolescent",
    "103TF0200X": "Psychologist, Forensic",
    "103TH0100X": "Psychologist, Health",
    "103TP0016X": "Psychologist, Prescribing (Medical)",
    "103TP2701X": "Psychologist, Group Psychotherapy",
    "103TR0400X": "Psychologist, Rehabilitation",
    "103G00000X": "Clinical Neuropsychologist",
    "103K00000X": "Behavior Analyst",
    "207Q00000X": "Family Medicine",
    "207QA0000X": "Family Medicine, Adolescent Medicine",
    "207QA0401X": "Family Medicine, Addiction Medicine",
    "207QA0505X": "Family Medicine, Adult Medicine",
    "207QG0300X": "Family Medicine, Geriatric Medicine",
    "207QH0002X": "Family Medicine, Hospice and Palliative Medicine",
    "207QS0010X": "Family Medicine, Sports Medicine",
    "207R00000X": "Internal Medicine",
    "207RA0401X": "Internal Medicine, Addiction Medicine",
    "207RG0300X": "Internal Medicine, Geriatric Medicine",
    "207RR0500X": "Internal Medicine, Rheumatology",
    "207L00000X": "Anesthesiology",
    "207LP2900X": "Anesthesiology, Pain Medicine",
    "207P00000X": "Emergency Medicine",
    "207V00000X": "Obstetrics & Gynecology",
    "208000000X": "Pediatrics",
    "208100000X": "Physical Medicine & Rehabilitation",
    "2081P2900X": "Physical Medicine & Rehabilitation, Pain Medicine",
    "208D00000X": "General Practice",
    "208VP0000X": "Pain Medicine",
    "208VP0014X": "Interventional Pain Medicine",
    "363A00000X": "Physician Assistant",
    "363AM0700X": "Physician Assistant, Medical",
    "363AS0400X": "Physician Assistant, Surgical",
    "363L00000X": "Nurse Practitioner",
    "363LA2200X": "Nurse Practitioner, Adult Health",
    "363LF0000X": "Nurse Practitioner, Family",
    "363LG0600X": "Nurse Practitioner, Gerontology",
    "363LP0808X": "Nurse Practitioner, Psychiatric/Mental Health",
    "363LP2300X": "Nurse Practitioner, Primary Care",
    "364SP0808X": "Clinical Nurse Specialist, Psychiatric/Mental Health",
    "163W00000X": "Registered Nurse",
    "163WP0808X": "Registered Nurse, Psychiatric/Mental Health",
    "101Y00000X": "Counselor",
    "101YA0400X": "Counselor, Addiction",
    "101YM0800X": "Counselor, Mental Health",
    "101YP2500X": "Counselor, Professional",
    "104100000X": "Social Worker",
    "1041C0700X": "Social Worker, Clinical",
    "106H00000X": "Marriage & Family Therapist",
    "111N00000X": "Chiropractor",
    "122300000X": "Dentist",
    "1223G0001X": "Dentist, General Practice",
    "1835P0018X": "Pharmacist, Clinician",
    "183500000X": "Pharmacist",
    "225100000X": "Physical Therapist",
    "390200000X": "Student in an Organized Health Care Training Program",
}


def taxonomy_name(code: str) -> str:
    """'Psychiatry (2084P0800X)'; the code alone where we know no name for it."""
    name = _NAMES.get(code)
    return f"{name} ({code})" if name else code

"""The words of the scales, in the languages in which they were published.

These are publications and not our texts: they stand here word by word in each language and not in the
catalogues, where "Not at all" could be translated in one way only. PHQ-9 and GAD-7: Spitzer, Williams,
Kroenke and colleagues, with an educational grant from Pfizer; no permission is required to reproduce,
translate, display or distribute them; Spanish as on phqscreeners.com. PCL-5: Weathers et al. 2013, National
Center for PTSD of the VA, in the public domain; Spanish as in the translation that CENTER-TBI approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from referral.domain.language import Language


@dataclass(frozen=True, slots=True)
class Wording:
    """One text in every language."""

    en: str
    es: str

    def said(self, language: Language) -> str:
        """In this language."""
        return self.es if language is Language.SPANISH else self.en


TWO_WEEKS: Final = Wording(
    "Over the last 2 weeks, how often have you been bothered by any of the following problems?",
    "Durante las últimas 2 semanas, ¿con qué frecuencia ha tenido molestias debido a los siguientes "
    "problemas?",
)
PAST_MONTH: Final = Wording(
    "Below is a list of problems that people sometimes have in response to a very stressful experience. "
    "Keeping your worst event in mind, please read each problem carefully and then choose how much you have "
    "been bothered by that problem in the past month.",
    "A continuación hay una lista de problemas que las personas tienen a veces debido a una experiencia muy "
    "estresante. Piense en la peor, lea cada problema con atención y elija cuánto le ha molestado ese "
    "problema durante el último mes.",
)
PAIN_NOW: Final = Wording(
    "How strong is your pain right now? 0 means no pain, 10 the worst pain that you can imagine.",
    "¿Qué tan fuerte es su dolor en este momento? 0 significa sin dolor y 10, el peor dolor que pueda "
    "imaginar.",
)

HOW_OFTEN: Final = (
    Wording("Not at all", "Ningún día"),
    Wording("Several days", "Varios días"),
    Wording("More than half the days", "Más de la mitad de los días"),
    Wording("Nearly every day", "Casi todos los días"),
)
HOW_MUCH: Final = (
    Wording("Not at all", "Nada"),
    Wording("A little bit", "Un poco"),
    Wording("Moderately", "Moderadamente"),
    Wording("Quite a bit", "Bastante"),
    Wording("Extremely", "Muchísimo"),
)

PHQ_9: Final = (
    Wording("Little interest or pleasure in doing things", "Poco interés o placer en hacer cosas"),
    Wording(
        "Feeling down, depressed, or hopeless", "Se ha sentido decaído(a), deprimido(a) o sin esperanzas"
    ),
    Wording(
        "Trouble falling or staying asleep, or sleeping too much",
        "Ha tenido dificultad para quedarse o permanecer dormido(a), o ha dormido demasiado",
    ),
    Wording("Feeling tired or having little energy", "Se ha sentido cansado(a) o con poca energía"),
    Wording("Poor appetite or overeating", "Sin apetito o ha comido en exceso"),
    Wording(
        "Feeling bad about yourself — or that you are a failure or have let yourself or your family down",
        "Se ha sentido mal con usted mismo(a) – o que es un fracaso o que ha quedado mal con usted mismo(a) "
        "o con su familia",
    ),
    Wording(
        "Trouble concentrating on things, such as reading the newspaper or watching television",
        "Ha tenido dificultad para concentrarse en ciertas actividades, tales como leer el periódico o ver "
        "la televisión",
    ),
    Wording(
        "Moving or speaking so slowly that other people could have noticed? Or the opposite — being so "
        "fidgety or restless that you have been moving around a lot more than usual",
        "¿Se ha movido o hablado tan lento que otras personas podrían haberlo notado? O lo contrario – muy "
        "inquieto(a) o agitado(a) que ha estado moviéndose mucho más de lo normal",
    ),
    Wording(
        "Thoughts that you would be better off dead or of hurting yourself in some way",
        "Pensamientos de que estaría mejor muerto(a) o de lastimarse de alguna manera",
    ),
)

GAD_7: Final = (
    Wording(
        "Feeling nervous, anxious or on edge", "Sentirse nervioso/a, intranquilo/a o con los nervios de punta"
    ),
    Wording(
        "Not being able to stop or control worrying",
        "No poder dejar de preocuparse o no poder controlar la preocupación",
    ),
    Wording("Worrying too much about different things", "Preocuparse demasiado por motivos diferentes"),
    Wording("Trouble relaxing", "Dificultad para relajarse"),
    Wording(
        "Being so restless that it is hard to sit still",
        "Estar tan inquieto/a que es difícil permanecer sentado/a tranquilamente",
    ),
    Wording("Becoming easily annoyed or irritable", "Molestarse o ponerse irritable fácilmente"),
    Wording(
        "Feeling afraid as if something awful might happen",
        "Sentir miedo como si algo terrible pudiera pasar",
    ),
)

PCL_5: Final = (
    Wording(
        "Repeated, disturbing, and unwanted memories of the stressful experience?",
        "¿Tener recuerdos repetidos, perturbadores y no deseados de la experiencia estresante?",
    ),
    Wording(
        "Repeated, disturbing dreams of the stressful experience?",
        "¿Tener sueños repetidos, perturbadores de la experiencia estresante?",
    ),
    Wording(
        "Suddenly feeling or acting as if the stressful experience were actually happening again (as if you "
        "were actually back there reliving it)?",
        "¿Sentirse o actuar de repente como si la experiencia estresante volviera a suceder (como si "
        "realmente estuviera allí reviviéndolo)?",
    ),
    Wording(
        "Feeling very upset when something reminded you of the stressful experience?",
        "¿Sentirse muy disgustado cuando algo le recordaba la experiencia estresante?",
    ),
    Wording(
        "Having strong physical reactions when something reminded you of the stressful experience (for "
        "example, heart pounding, trouble breathing, sweating)?",
        "¿Tener reacciones físicas intensas cuando algo le recordaba la experiencia estresante (p. ej., "
        "palpitaciones, dificultades para respirar, sudoración)?",
    ),
    Wording(
        "Avoiding memories, thoughts, or feelings related to the stressful experience?",
        "¿Evitar recuerdos, pensamientos o sentimientos relacionados con la experiencia estresante?",
    ),
    Wording(
        "Avoiding external reminders of the stressful experience (for example, people, places, "
        "conversations, activities, objects, or situations)?",
        "¿Evitar estímulos externos relacionados con la experiencia estresante (p. ej., personas, lugares, "
        "conversaciones, actividades, objetos o situaciones)?",
    ),
    Wording(
        "Trouble remembering important parts of the stressful experience?",
        "¿Tener dificultades para recordar partes importantes de la experiencia estresante?",
    ),
    Wording(
        "Having strong negative beliefs about yourself, other people, or the world (for example, having "
        "thoughts such as: I am bad, there is something seriously wrong with me, no one can be trusted, the "
        "world is completely dangerous)?",
        "¿Tener fuertes creencias negativas sobre uno mismo, otras personas o el mundo (p. ej., tener "
        "pensamientos como: no soy una buena persona, hay algo que seriamente no está bien en mí, no se "
        "puede confiar en nadie, el mundo es muy peligroso)?",
    ),
    Wording(
        "Blaming yourself or someone else for the stressful experience or what happened after it?",
        "¿Culparse a sí mismo o a otra persona de la experiencia estresante o de lo que sucedió después?",
    ),
    Wording(
        "Having strong negative feelings such as fear, horror, anger, guilt, or shame?",
        "¿Tener fuertes sentimientos negativos tales como miedo, terror, ira, culpa o vergüenza?",
    ),
    Wording(
        "Loss of interest in activities that you used to enjoy?",
        "¿Perder el interés en actividades que antes solía disfrutar?",
    ),
    Wording("Feeling distant or cut off from other people?", "¿Sentirse distante o apartado de los demás?"),
    Wording(
        "Trouble experiencing positive feelings (for example, being unable to feel happiness or have loving "
        "feelings for people close to you)?",
        "¿Tener dificultades para sentir emociones positivas (p. ej., ser incapaz de sentir alegría o tener "
        "sentimientos de amor hacia personas cercanas)?",
    ),
    Wording(
        "Irritable behavior, angry outbursts, or acting aggressively?",
        "¿Tener conductas irritables, ataques de ira o actuar de manera agresiva?",
    ),
    Wording(
        "Taking too many risks or doing things that could cause you harm?",
        "¿Tomar demasiados riesgos o hacer cosas que le pudieran dañar?",
    ),
    Wording("Being “superalert” or watchful or on guard?", "¿Estar muy en alerta o en guardia?"),
    Wording("Feeling jumpy or easily startled?", "¿Sentirse asustadizo o sobresaltado?"),
    Wording("Having difficulty concentrating?", "¿Tener dificultades para concentrarse?"),
    Wording("Trouble falling or staying asleep?", "¿Tener problemas para dormir o mantener el sueño?"),
)
PAIN: Final = (Wording("Pain right now", "Dolor en este momento"),)

"""How the core speaks of trouble: a value with a place, never an exception, never a patient's datum.

Each `IssueCode` carries what every reader of it needs: the condition of HL7 table 0357 (ERR-3), the
application error of user table 0533 (ERR-5) when the CI-SIS names one, and its text in French and English.
Texts take named parameters that are *names* (a field, a rule, a table, a count), never values of a message.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Generic, TypeVar

import msgspec

__all__ = ["Issue", "IssueCode", "Outcome", "Place", "Severity", "worst"]

T = TypeVar("T")


class Severity(IntEnum):
    """HL7 table 0516 in ascending order: INFORMATION (I), WARNING (W), ERROR (E), FATAL (F).

    An ERROR refuses the message (AE); a FATAL means that no content could be read at all (AR or no answer).
    """

    INFORMATION = 1
    WARNING = 2
    ERROR = 3
    FATAL = 4

    @property
    def letter(self) -> str:
        """The letter of ERR-4."""
        return "-IWEF"[self]


class IssueCode(Enum):
    """code = (condition of table 0357, application error of table 0533 or "", French, English)."""

    # fmt: off
    # --- frames and bytes
    FRAME_BROKEN = ("207", "", "trame MLLP incomplète ou mal délimitée", "MLLP frame incomplete or badly delimited")
    FRAME_FS_IN_DATA = ("207", "", "caractère FS dans les données (octet {offset}) : message tronqué", "FS in data (byte {offset}): truncated message")
    FRAME_TOO_LARGE = ("207", "", "trame plus grande que la limite de {limit} octets", "frame larger than the limit of {limit} bytes")
    NOT_HL7 = ("207", "", "ce n'est pas un message HL7 v2 : {expected}", "not an HL7 v2 message: {expected}")
    SEPARATORS = ("102", "", "séparateurs déclarés inutilisables : {expected}", "declared separators cannot be used: {expected}")
    SEPARATOR_CORRUPT = ("102", "", "séparateur de répétition abîmé (U+02DC), lu comme ~", "corrupted repetition separator (U+02DC), read as ~")
    CHARSET_UNKNOWN = ("102", "", "jeu de caractères non admis ; admis : {expected}", "character set not allowed; allowed: {expected}")
    CHARSET_CONFLICT = ("102", "", "les octets contredisent le jeu de caractères déclaré (octet {offset})", "the bytes contradict the declared character set (byte {offset})")
    CHARSET_WINDOWS = ("102", "", "octets 80–9F sous ISO 8859 : lus seulement si une règle de l'émetteur le dit", "bytes 80-9F under ISO 8859: read only when a rule for the sender says so")
    BOM_REMOVED = ("0", "", "marque d'ordre des octets retirée devant MSH", "byte order mark removed in front of MSH")
    CONTROL_CHARACTER = ("102", "", "caractère de contrôle refusé (octet {offset})", "control character refused (byte {offset})")
    TERMINATORS = ("0", "", "fins de segment {found} au lieu de CR", "segment terminators {found} instead of CR")
    SEGMENT_NAME = ("100", "", "nom de segment illisible (segment {number})", "segment name cannot be read (segment {number})")
    ESCAPE_UNKNOWN = ("0", "", "séquence d'échappement inconnue, gardée telle quelle", "unknown escape sequence, kept as it is")
    FORMATTING_DROPPED = ("0", "", "mise en évidence (\\H\\, \\N\\) non transportée", "highlighting (\\H\\, \\N\\) is not carried")
    TRANSLITERATED = ("0", "", "caractères absents de {expected}, écrits autrement", "characters that {expected} does not have, written otherwise")
    TRUNCATED = ("100", "", "message tronqué : {expected}", "truncated message: {expected}")
    TOO_MANY = ("198", "", "plus de {limit} {what}", "more than {limit} {what}")

    # --- structure of a message
    SEGMENT_ORDER = ("100", "", "segment hors de sa place ; attendu : {expected}", "segment out of place; expected: {expected}")
    SEGMENT_MISSING = ("100", "", "segment obligatoire absent : {expected}", "required segment missing: {expected}")
    SEGMENT_TWICE = ("198", "", "segment présent plus d'une fois : {expected}", "segment present more than once: {expected}")
    FIELD_MISSING = ("101", "", "champ obligatoire absent : {expected}", "required field missing: {expected}")
    DATA_TYPE = ("102", "", "valeur qui n'est pas du type {expected}", "value is not of the type {expected}")
    TABLE_VALUE = ("103", "", "code absent de la table {table}", "code not in table {table}")
    FIELD_VALUE = ("103", "", "valeur inattendue ; attendu : {expected}", "unexpected value; expected: {expected}")
    MESSAGE_TYPE = ("200", "", "type de message non pris en charge ; pris en charge : {expected}", "message type not supported; supported: {expected}")
    EVENT = ("201", "", "événement non pris en charge pour ce type ; pris en charge : {expected}", "event not supported for this type; supported: {expected}")
    PROCESSING_ID = ("202", "", "MSH-11 en désaccord avec l'environnement ({expected})", "MSH-11 disagrees with the environment ({expected})")
    VERSION = ("203", "", "version HL7 non prise en charge ; prises en charge : {expected}", "HL7 version not supported; supported: {expected}")
    DUPLICATE_CONTROL_ID = ("205", "", "MSH-10 déjà reçu de cet émetteur avec un autre contenu", "MSH-10 was already received from this sender with other content")
    BATCH_COUNT = ("198", "", "nombre annoncé en {segment} différent du nombre de messages ({found})", "count announced in {segment} differs from the number of messages ({found})")
    BATCH_STRUCTURE = ("100", "", "structure de lot : {expected}", "batch structure: {expected}")

    NATIONAL_RULE = ("0", "", "règle nationale : {what}", "national rule: {what}")
    SECOND_OPINION = ("0", "", "avis de hl7apy sur la structure : {what}", "hl7apy's opinion of the structure: {what}")

    # --- mapping
    MAP_REQUIRED = ("101", "", "valeur obligatoire absente : {expected}", "required value missing: {expected}")
    MAP_DATA_TYPE = ("102", "", "valeur illisible comme {expected}", "value cannot be read as {expected}")
    MAP_UNKNOWN_CODE = ("103", "", "code absent de la terminologie {table}", "code not in terminology {table}")
    MAP_DISAGREES = ("207", "", "dit autre chose que {rule}", "says otherwise than {rule}")
    MAP_CONST = ("103", "", "valeur différente de la constante {expected}", "value differs from the constant {expected}")
    MAP_NOT_WRITABLE = ("207", "", "ne peut pas être écrit comme {expected}", "cannot be written as {expected}")
    MAP_PREDICATE_LOST = ("207", "", "ce qui est écrit ne satisfait plus la condition {expected}", "what was written no longer satisfies the condition {expected}")
    MAP_ERASED = ("0", "", "valeur effacée explicitement par l'émetteur (\"\") : {expected}", "value explicitly emptied by the sender (\"\"): {expected}")
    CODE_RETIRED = ("0", "", "code retiré de la terminologie {table} : écrit tel quel, à remplacer", "code retired from terminology {table}: written as it is, to be replaced")
    MAP_CODE_SYSTEM = ("103", "", "système de codage inconnu ; ajouter à terminology/systems.csv", "unknown code system; add it to terminology/systems.csv")

    # --- documents
    DOCUMENT_MISSING = ("101", "", "aucun document dans le message", "no document in the message")
    DOCUMENT_ENCODING = ("102", "", "base64 illisible (position {offset})", "base64 cannot be read (offset {offset})")
    DOCUMENT_PADDING = ("0", "", "bourrage base64 absent, complété", "base64 padding missing, completed")
    DOCUMENT_BLANKS = ("0", "", "blancs retirés du base64", "white space removed from the base64")
    DOCUMENT_TYPE_CLASH = ("102", "", "les octets ne sont pas du type déclaré ({expected})", "the bytes are not of the declared type ({expected})")
    DOCUMENT_ID_CLASH = ("207", "906", "l'identifiant du document diffère entre {left} et {right}", "the document id differs between {left} and {right}")
    DOCUMENT_VERSION = ("207", "900", "mauvaise version de document : {expected}", "wrong document version: {expected}")
    DOCUMENT_SET = ("0", "", "série (setId) ou version d'un remplacement non précisée : déduite du document remplacé", "set (setId) or version of a replacement not said: taken from the document that it replaces")
    DOCUMENT_NOT_FOUND = ("207", "900", "le document à remplacer ou à supprimer est inconnu", "the document to replace or delete is unknown")
    DOCUMENT_AUTHOR = ("207", "901", "l'auteur ne peut pas remplacer ou supprimer ce document", "the author may not replace or delete this document")
    DOCUMENT_DUPLICATE = ("0", "", "document déjà reçu sous un autre MSH-10", "document already received under another MSH-10")
    DOCUMENT_OVERTAKEN = ("207", "900", "une version qui remplace ce document est arrivée avant lui", "a version that replaces this document came before it")
    DMP_TYPE = ("207", "906", "type de document que le DMP ne prend pas (table {table})", "document type that the DMP does not take (table {table})")
    INTENT_CLASH = ("207", "906", "{left} et {right} ne disent pas la même opération", "{left} and {right} do not say the same operation")

    # --- XML and CDA
    XML_SYNTAX = ("102", "", "XML mal formé (ligne {line}, colonne {column})", "XML not well formed (line {line}, column {column})")
    XML_DOCTYPE = ("102", "", "DOCTYPE refusé dans un document", "a DOCTYPE is refused in a document")
    XML_ENCODING = ("102", "", "encodage XML non admis ; admis : {expected}", "XML encoding not allowed; allowed: {expected}")
    XML_LIMIT = ("102", "", "document XML au-delà des limites ({what} > {limit})", "XML document beyond the limits ({what} > {limit})")
    CDA_ROOT = ("102", "", "la racine n'est pas ClinicalDocument dans urn:hl7-org:v3", "the root is not ClinicalDocument in urn:hl7-org:v3")
    CDA_MISSING = ("101", "", "élément obligatoire absent : {expected}", "required element missing: {expected}")
    CDA_VALUE = ("103", "", "valeur du CDA hors de la règle ; attendu : {expected}", "CDA value outside the rule; expected: {expected}")
    CDA_ELEMENT = ("100", "", "élément inconnu ici ; le schéma connaît : {expected}", "unknown element here; the schema knows: {expected}")
    CDA_ORDER = ("100", "", "élément hors de sa place : le schéma le met avant {expected}", "element out of place: the schema puts it before {expected}")
    CDA_TWICE = ("198", "", "présent plus d'une fois : {expected}", "present more than once: {expected}")
    CDA_TWO_PATIENTS = ("198", "906", "plus d'un recordTarget", "more than one recordTarget")
    CDA_BODY = ("102", "", "corps du document : {expected}", "body of the document: {expected}")
    PDF_CLAIM = ("0", "", "le PDF se déclare {found} ; le CI-SIS demande PDF/A-1", "the PDF claims to be {found}; the CI-SIS asks for PDF/A-1")
    BODY_TYPE = ("102", "", "ce type de fichier ne peut pas devenir le corps d'un CDA ; acceptés : {expected}", "this type of file cannot become the body of a CDA; accepted: {expected}")
    PDF_REFUSED = ("207", "", "la destination ne prend que des {expected} ; le PDF se déclare {found}", "the destination takes {expected} only; the PDF claims to be {found}")
    CDA_NULL_FLAVOR = ("0", "", "valeur absente, avec sa raison (nullFlavor)", "value absent, with its reason (nullFlavor)")
    CDA_ENTRY_UNREAD = ("0", "", "entrée lue en partie : {count} renseignement(s) restent dans le seul document, le premier ici", "entry read in part: {count} item(s) stay in the document alone, the first here")
    CDA_ACTIVE_CONTENT = ("0", "", "contenu actif ou référence externe, jamais suivi : {what}", "active content or external reference, never followed: {what}")

    # --- identity
    PATIENT_UNKNOWN = ("207", "902", "identifiant de patient inconnu", "unknown patient identifier")
    INS_MISSING = ("207", "903", "INS absente du CDA", "INS missing in the CDA")
    INS_DIFFERS = ("207", "904", "INS ou traits différents entre {left} et {right} : {what}", "INS or traits differ between {left} and {right}: {what}")
    INS_INCOMPLETE = ("207", "905", "traits de l'INS incomplets : {what}", "INS traits incomplete: {what}")
    INS_KEY = ("207", "906", "matricule INS mal formé ou clé fausse", "INS matricule malformed or wrong key")
    INS_NOT_QUALIFIED = ("207", "906", "identité non qualifiée : l'INS ne peut pas partir vers {what}", "identity not qualified: the INS may not leave for {what}")
    INS_ENVIRONMENT = ("207", "906", "INS de {found} dans un environnement de {expected}", "INS of {found} in an environment of {expected}")
    PATIENT_IDS_DIFFER = ("207", "906", "PID-3 et recordTarget/patientRole/id ne portent pas les mêmes identifiants", "PID-3 and recordTarget/patientRole/id do not hold the same identifiers")
    LOCAL_IDENTITY = ("207", "904", "INS connue localement avec d'autres traits : {what} ; rien n'est intégré automatiquement", "INS known locally with other traits: {what}; nothing is integrated automatically")
    TEST_PATIENT = ("207", "906", "patient de test dans un environnement de production", "test patient in a production environment")
    PATIENT_AMBIGUOUS = ("207", "", "les identifiants désignent plusieurs dossiers de l'index des patients ; aucun n'est modifié", "the identifiers name several records of the patient index; none is changed")
    PATIENT_MERGED = ("207", "", "le dossier du patient a été fusionné ou renuméroté par le message {what} : à vérifier avant tout envoi", "the patient's record was merged or renumbered by message {what}: to be checked before anything is sent")
    PATIENT_DOMAIN = ("207", "902", "aucun identifiant du patient dans le domaine {what} que veut la destination", "no identifier of the patient in the domain {what} that the destination wants")
    IDENTIFIER_CHECK = ("0", "", "clé de contrôle fausse : {what}", "wrong check digit: {what}")
    IDENTIFIER_FORM = ("102", "", "identifiant mal formé : {what}", "malformed identifier: {what}")

    # --- directives
    DIRECTIVE_MISSING = ("101", "", "directive obligatoire absente : {expected}", "required directive missing: {expected}")
    DIRECTIVE_MATRIX = ("207", "906", "combinaison hors de la matrice MSSanté du volet (regles-gestion-mssante)", "combination outside the MSSanté matrix of the volet (regles-gestion-mssante)")
    DIRECTIVE_CONFLICT = ("207", "906", "directives contradictoires : {left} et {right}", "contradictory directives: {left} and {right}")
    SHARING_NOT_QUALIFIED = ("207", "906", "partage refusé ({box}) : identité du patient non qualifiée ou sans INS", "sharing refused ({box}): the patient's identity is not qualified or has no INS")
    SHARING_RESTRICTED = ("207", "906", "partage refusé ({box}) : document de confidentialité restreinte (R ou V)", "sharing refused ({box}): document of restricted confidentiality (R or V)")
    SHARING_OPPOSED = ("207", "906", "partage refusé ({box}) : le patient s'oppose à l'alimentation de son dossier", "sharing refused ({box}): the patient opposes the feeding of his record")
    SHARING_NOT_SERVED = ("207", "", "aucune destination n'est réglée pour la case {box}", "no destination is configured for the box {box}")
    RECIPIENT_MISSING = ("101", "", "destinataire absent : {expected}", "recipient missing: {expected}")
    SENDER_MISSING = ("101", "", "PRT SB obligatoire pour {what}", "PRT SB required for {what}")
    DATE_FORM = ("102", "", "date impossible ou illisible", "impossible or unreadable date")
    DATE_AMBIGUOUS = ("0", "", "heure locale ambiguë (changement d'heure) : la précision est réduite au jour", "ambiguous local time (clock change): precision reduced to the day")

    # --- the exchange profile and the five modes
    EXCHANGE_SYNTAX = ("102", "", "échange illisible ; attendu : {expected}", "the exchange cannot be read; expected: {expected}")
    EXCHANGE_FIELD = ("102", "", "champ inconnu (n° {number}) ; attendu : {expected}", "unknown field (number {number}); expected: {expected}")
    EXCHANGE_VALUE = ("102", "", "valeur refusée ; attendu : {expected}", "value refused; expected: {expected}")
    EXCHANGE_EMPTY = ("102", "", "champ vide : mettre une valeur, ou ne pas mettre le champ", "empty field: give a value, or leave the field out")
    EXCHANGE_HASH = ("102", "", "les octets ne sont pas ceux que {expected} annonce", "the bytes are not those that {expected} announces")
    EXCHANGE_PART = ("102", "", "partie du formulaire sans contenu qui la nomme ; attendu : {expected}", "part of the form that no content names; expected: {expected}")
    EXCHANGE_CONTENT = ("101", "", "contenu absent : ni data (base64), ni partie du formulaire", "content missing: neither data (base64) nor a part of the form")
    EXCHANGE_CONFLICT = ("207", "", "un échange différent existe déjà sous cet identifiant ({what})", "a different exchange exists under this id already ({what})")
    EXCHANGE_UNKNOWN = ("207", "", "aucun échange sous cet identifiant", "no exchange under this id")
    EXCHANGE_QUERY = ("207", "", "recherche d'échanges refusée ; attendu : {expected}", "search of exchanges refused; expected: {expected}")
    MODE_FIELD = ("101", "", "champ obligatoire du mode « {mode} » absent : {expected}", "required field of the mode “{mode}” missing: {expected}")
    MODE_NOT_OURS = ("207", "", "le mode « {mode} » ne porte pas {what}", "the mode “{mode}” does not carry {what}")
    MODE_MEMBER = ("207", "", "ce correspondant n'est pas un compte MonSisra : choisir « Envoyer un document » ou « Mail sécurisé »", "this correspondent is no MonSisra account: use “Envoyer un document” (document) or “Mail sécurisé” (mail)")
    MODE_MEMBER_UNKNOWN = ("0", "", "impossible de dire si ce correspondant est un compte MonSisra : le réglage monsisra.domains est vide", "nobody can tell whether this correspondent is a MonSisra account: the setting monsisra.domains is empty")
    MODE_ONE_EXPERT = ("198", "", "une téléexpertise s'adresse à un seul expert ou à une seule équipe ressource", "a téléexpertise asks exactly one expert or équipe ressource")
    MODE_PATIENT_NUMBER = ("101", "", "une téléexpertise exige l'INS ou le numéro de sécurité sociale du patient", "a téléexpertise needs the patient's INS or social-security number")
    MODE_FORM_FIRST = ("207", "", "l'expert demande le formulaire : la conversation ne s'ouvre qu'après son enregistrement", "the expert asks for the form: the conversation opens only once it is saved")
    MODE_STEP = ("207", "", "étape impossible : après « {before} » vient {expected}", "impossible step: after “{before}” comes {expected}")
    MODE_OPINION = ("207", "", "un avis suppose l'étape avis_rendu", "an opinion needs the step avis_rendu")
    MODE_ORDER = ("207", "", "{what} antérieur à celui qui le précède dans la liste", "{what} is earlier than what stands before it in the list")
    MODE_REFERENCE = ("207", "", "renvoi à un élément ({what}) absent de l'échange", "reference to {what} that is not in the exchange")
    MODE_TWICE = ("207", "", "le même identifiant désigne deux {what}", "the same id names two {what}")
    MODE_EMPTY_MESSAGE = ("101", "", "message vide : ni texte, ni document, ni photo, ni visio", "empty message: no text, document, photo or visio link")
    MODE_DOCUMENT_TYPE = ("103", "", "type de document absent de l'arborescence nationale (JDV_J07)", "document type not in the national tree (JDV_J07)")
    MODE_SUBJECT_NAME = ("0", "", "le patient n'est pas accessible dans un mail : mettre au moins son nom dans l'objet", "a mail does not carry the patient: put at least the name in the subject")
    MODE_ADDRESS = ("102", "", "adresse sans INS bien formée : attendu {expected}", "address without a well-formed INS: expected {expected}")
    MODE_ADDRESS_DIFFERS = ("207", "", "l'INS de l'adresse et le patient ne disent pas {what} de la même façon", "the INS of the address and the patient disagree on {what}")
    MODE_ONE_RECIPIENT = ("198", "", "un échange avec un usager a un seul destinataire : l'adresse du patient", "an exchange with a patient has one recipient: the patient's address")
    MODE_FIN = ("207", "", "la clôture du canal (closes_channel) et l'objet [FIN] vont ensemble", "closing the channel (closes_channel) and the subject [FIN] go together")
    MODE_CLOSED = ("207", "", "{what} : rien ne peut plus y être ajouté", "{what}: nothing can be added any more")

    # --- FHIR
    FHIR_SYNTAX = ("102", "", "JSON ou XML illisible : {expected}", "JSON or XML cannot be read: {expected}")
    FHIR_INVALID = ("102", "", "ressource non conforme à {expected}", "resource does not conform to {expected}")
    FHIR_SEARCH = ("207", "", "recherche FHIR refusée ; attendu : {expected}", "FHIR search refused; expected: {expected}")
    FHIR_NOT_FOUND = ("207", "", "ressource inconnue : {what}", "unknown resource: {what}")
    FHIR_REFERENCE = ("102", "", "référence sans cible dans le lot", "reference without a target in the bundle")
    FHIR_METHOD = ("200", "", "interaction FHIR non prise en charge ; prises en charge : {expected}", "FHIR interaction not supported; supported: {expected}")
    FHIR_MEDIA = ("102", "", "type de contenu non admis ; admis : {expected}", "content type not allowed; allowed: {expected}")
    FHIR_CONDITION = ("207", "", "condition de la requête non remplie : {expected}", "condition of the request not met: {expected}")
    FHIR_BODY = ("207", "", "corps de requête refusé : {expected}", "request body refused: {expected}")

    # --- the journey of a delivery
    STORE_UNAVAILABLE = ("207", "", "journal indisponible : le message peut être renvoyé", "journal unavailable: the message may be sent again")
    UNREACHABLE = ("207", "", "destination injoignable : {what}", "destination unreachable: {what}")
    NO_ANSWER = ("207", "", "pas de réponse de la destination dans le délai ({what})", "no answer from the destination in time ({what})")
    ANSWER_UNREADABLE = ("207", "", "réponse illisible de la destination", "unreadable answer from the destination")
    ANSWER_FOREIGN = ("207", "", "accusé d'un autre message (MSA-2), gardé à part", "acknowledgement of another message (MSA-2), kept apart")
    ANSWER_REFUSED = ("207", "", "refusé par la destination ({what})", "refused by the destination ({what})")
    NO_ROUTE = ("207", "", "aucune destination pour ce message", "no destination for this message")
    ALREADY_DELIVERED = ("0", "", "déjà livré : rien n'est écrit de nouveau", "already delivered: nothing is written again")
    NAME_TAKEN = ("207", "", "{what} : un autre contenu y porte déjà ce document et cette version", "{what}: other content is already there under this document and version")
    INTERNAL = ("207", "", "erreur interne ({what}) ; le message est gardé", "internal error ({what}); the message is kept")

    # fmt: on
    def __init__(self, condition: str, application: str, french: str, english: str) -> None:
        self.condition = condition
        self.application = application
        self.french = french
        self.english = english

    # Enum makes members of equal values one member; the number keeps two codes with equal texts apart.
    def __new__(cls, *_definition: str) -> IssueCode:
        """Number the members."""
        member = object.__new__(cls)
        member._value_ = len(cls.__members__) + 1
        return member


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where: a path in the format's own notation (`PID[1]-8`, `OBX[3]-5.5`, XPath, FHIRPath), and which rule (`file:line`)."""

    path: str = ""
    rule: str | None = None

    def __str__(self) -> str:
        return f"{self.path} ({self.rule})" if self.rule else self.path


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One trouble. `params` fill the texts of the code; they are names and counts, never values of a message."""

    severity: Severity
    code: str  # the name of an IssueCode; a string so that journals of other versions still load
    place: Place = Place()
    params: dict[str, str] = {}

    @classmethod
    def of(
        cls, severity: Severity, code: IssueCode, path: str = "", *, rule: str | None = None, **params: object
    ) -> Issue:
        """An issue at a path."""
        return cls(severity, code.name, Place(path, rule), {k: str(v) for k, v in params.items()})

    @property
    def definition(self) -> IssueCode:
        """The member of `IssueCode` (INTERNAL for a code that this version does not know)."""
        return IssueCode.__members__.get(self.code, IssueCode.INTERNAL)

    def text(self, language: str = "en") -> str:
        """The sentence in `fr` or `en`, without the place."""
        template = self.definition.french if language == "fr" else self.definition.english
        return template.format_map(_Lenient(self.params))


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """A value with its issues. `value` is None when nothing usable could be made."""

    value: T | None
    issues: tuple[Issue, ...] = ()

    @property
    def accepted(self) -> bool:
        """True when there is a value and no issue of ERROR or worse."""
        return self.value is not None and worst(self.issues) < Severity.ERROR


def worst(issues: tuple[Issue, ...] | list[Issue]) -> Severity:
    """The highest severity, INFORMATION when there is none."""
    return max((issue.severity for issue in issues), default=Severity.INFORMATION)

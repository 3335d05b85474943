"""What the made-up traffic talks about: questions to a shop, documents that answer them, answers that follow these or do not.

An answer that follows says what stands in the documents, in other order and with words of its own between; one that does not is
as fluent and says something else.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A question, what a retriever finds for it, an answer that follows it and one that does not."""

    question: str
    documents: tuple[str, ...]
    grounded: str
    ungrounded: str


TOPICS = (
    Topic(
        "What does the warranty cover?",
        (
            "The warranty covers parts and labour for two years from the date of purchase.",
            "Batteries are covered for six months.",
        ),
        "The warranty covers parts and labour for two years from the date of purchase; batteries are covered for six months",
        "All accidental damage is included for a decade, and screens get replaced free whenever somebody drops one",
    ),
    Topic(
        "How do I return an order?",
        (
            "Returns are free within 30 days of delivery.",
            "Print the label from your account and hand the parcel in at any post office.",
        ),
        "Returns are free within 30 days: print the label from your account and hand the parcel in at any post office",
        "Call our hotline before noon so a courier can fetch everything, for which we charge nine euros",
    ),
    Topic(
        "When will my parcel arrive?",
        (
            "Standard delivery takes two to four working days.",
            "Express orders placed before 2 pm leave the warehouse the same day.",
        ),
        "Standard delivery takes two to four working days; express orders placed before 2 pm leave the warehouse the same day",
        "Every shipment reaches its destination overnight, weekends and public holidays included",
    ),
    Topic(
        "Which payment methods do you take?",
        (
            "We accept cards, bank transfer and payment by invoice.",
            "Payment by invoice is limited to 500 euros for new customers.",
        ),
        "We accept cards, bank transfer and payment by invoice, which is limited to 500 euros for new customers",
        "Only vouchers bought at a partner shop work online, while cash gets collected upon arrival",
    ),
    Topic(
        "Can I change the delivery address?",
        (
            "The delivery address can be changed until the parcel has left the warehouse.",
            "After that the carrier may hold it at a pick-up point.",
        ),
        "The address can be changed until the parcel has left the warehouse; after that the carrier may hold it at a pick-up",
        "Simply tell whoever rings at your door, drivers always redirect packages without further ado",
    ),
    Topic(
        "Is the blender dishwasher safe?",
        (
            "The jug and the lid of the blender are dishwasher safe.",
            "Wipe the motor base with a damp cloth and never put it under water.",
        ),
        "The jug and the lid are dishwasher safe; wipe the motor base with a damp cloth and never put it under water",
        "Yes, rinse all components including electronics at ninety degrees after each smoothie",
    ),
    Topic(
        "How do I reset my password?",
        ("Choose 'Forgot password' on the sign-in page.", "The link in the e-mail is valid for 30 minutes and works once."),
        "Choose 'Forgot password' on the sign-in page; the link in the e-mail is valid for 30 minutes and works once",
        "Send us your current credentials through chat, then an agent picks something memorable",
    ),
    Topic(
        "Do you ship to Norway?",
        (
            "We ship to all countries of the European Union, Switzerland and Norway.",
            "Customs duties for Norway are paid by the recipient.",
        ),
        "We ship to Norway; customs duties are paid by the recipient",
        "Scandinavian orders travel tax exempt because our branch near Oslo handles paperwork",
    ),
)


def topic_of(trace_id: bytes) -> Topic:
    """The same topic for the same trace."""
    return TOPICS[trace_id[3] % len(TOPICS)]

"""What the scripts of this folder share: trytond as a library, and checksums of records through its own models.

Run with Debian's own /usr/bin/python3, for which the packages install trytond.
"""
import gc
import hashlib

SUM = 2 ** 48


def start(configuration, database):
    """Starts trytond in this process. Must be called before anything else of trytond is imported."""
    from trytond.config import config
    config.update_etc(configuration)
    from trytond.pool import Pool
    Pool.start()
    pool = Pool(database)
    pool.init()
    return pool


def hurry():
    """For whoever makes a CRM, once trytond is configured: the same database in half the time.

    What is made is right. Validating it record by record, which asks the database again and again, proves nothing here.
    """
    gc.disable()
    from trytond.model import ModelStorage
    ModelStorage._validate = classmethod(lambda cls, records, field_names=None: None)


def transaction(database, company=None):
    from trytond.transaction import Transaction
    context = {'_skip_warnings': True, 'language': 'en'}
    if company:
        context['company'] = company
    return Transaction().start(database, 1, context=context)


def digest(*values):
    """Part of SHA-256, such that sums modulo SUM are exact in JSON; they do not depend on the order of records."""
    text = '\x1f'.join('' if value is None else str(value) for value in values)
    return int.from_bytes(hashlib.sha256(text.encode('utf-8')).digest()[:6], 'big')


def of_party(party):
    return digest(party.id, party.name, party.code, party.active,
        *(f'{mechanism.id} {mechanism.type} {mechanism.value}' for mechanism in party.contact_mechanisms),
        *(f'{address.id} {address.street} {address.city}' for address in party.addresses))


def of_opportunity(opportunity):
    return digest(opportunity.id, opportunity.number, opportunity.description, opportunity.comment,
        opportunity.reference, opportunity.state, opportunity.amount, opportunity.conversion_probability,
        opportunity.party.id if opportunity.party else None)


def of_attachment(attachment):
    # `data` is read from the file store: an attachment whose file is gone has none.
    content = hashlib.sha256(bytes(attachment.data or b'')).hexdigest()
    return digest(attachment.id, attachment.name, attachment.type, attachment.resource, content)


MODELS = {
    'party.party': of_party,
    'sale.opportunity': of_opportunity,
    'ir.attachment': of_attachment,
}


def sums(pool):
    """Count and sum of the checksums of all records, model by model. Needs a transaction."""
    answer = {}
    for name, of_record in MODELS.items():
        records = pool.get(name).search([])
        answer[name] = [len(records), sum(map(of_record, records)) % SUM]
    return answer


def say(text):
    print(text, flush=True)

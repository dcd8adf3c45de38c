"""Goes on working in a Tryton CRM: writer.py CONFIGURATION DATABASE LOG [PAUSE_SECONDS]

One numbered operation is one transaction of trytond: a new party with an opportunity and an attachment, a changed
opportunity, a changed party, or a deleted attachment, and always its number in the reference of the first
opportunity. After each commit one line goes to LOG: the number, how long the operation took, and counts and checksums
of all records as they are now, so that a restored CRM can be compared with the moment that it claims to be. Ends at
the end of its standard input.
"""
import json
import random
import sys
import threading
import time

import crm


def main():
    configuration, database, log = sys.argv[1:4]
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0.005
    pool = crm.start(configuration, database)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    Writer(pool, database).run(log, stop, pause)


class Writer:

    def __init__(self, pool, database):
        self.pool = pool
        self.database = database
        self.chance = random.Random(4)
        self.added = []
        with crm.transaction(database):
            self.state = crm.sums(pool)
            company, = pool.get('company.company').search([], limit=1)
            self.company = company.id
            opportunities = pool.get('sale.opportunity').search([], order=[('id', 'ASC')])
            self.counter = opportunities[0].id
            self.opportunities = [opportunity.id for opportunity in opportunities[1:]]
            self.parties = [party.id for party in pool.get('party.party').search([])]

    def run(self, log, stop, pause):
        from trytond.backend import DatabaseOperationalError
        number = 0
        with open(log, 'w') as file:
            self.write(file, number, 0)
            while not stop.is_set():
                number += 1
                began = time.monotonic()
                while True:
                    before = json.dumps(self.state), self.chance.getstate(), list(self.added)
                    try:
                        with crm.transaction(self.database, self.company) as transaction:
                            self.operation(number)
                            transaction.commit()
                        break
                    except DatabaseOperationalError:
                        # The database was locked: trytond itself tries again, and so do we, from the same state.
                        state, chance, self.added = before
                        self.state = json.loads(state)
                        self.chance.setstate(chance)
                self.write(file, number, time.monotonic() - began)
                time.sleep(pause)

    def write(self, file, number, seconds):
        file.write(json.dumps({'operation': number, 'ms': round(seconds * 1000, 1), 'models': self.state}) + '\n')
        file.flush()

    def operation(self, number):
        Party, Opportunity, Attachment = map(self.pool.get, crm.MODELS)
        self.change(Opportunity, self.counter, {'reference': str(number)})
        kind = number % 5
        if kind == 0:
            self.change(Opportunity, self.chance.choice(self.opportunities), {
                    'comment': f'操作 {number}\twith a tab\nand a line', 'amount': number})
        elif kind == 1:
            self.change(Party, self.chance.choice(self.parties), {'name': f'改名 {number} "GmbH" \\ Co'})
        elif kind == 2 and self.added:
            self.delete(Attachment, self.added.pop(0))
        else:
            party = self.create(Party, {
                    'name': f'Writer {number} 有限公司',
                    'contact_mechanisms': [('create', [{'type': 'email', 'value': f'w{number}@example.org'}])],
                    })
            self.create(Opportunity, {'party': party, 'description': f'Operation {number}', 'amount': number})
            self.added.append(self.create(Attachment, {
                        'name': f'operation {number}.txt', 'type': 'data', 'resource': f'party.party,{party}',
                        'data': f'operation {number}\n'.encode() * self.chance.randint(1, 400),
                        }))

    def create(self, Model, values):
        record, = Model.create([values])
        self.count(Model, record.id, 1, self.digest(Model, record.id))
        return record.id

    def change(self, Model, id_, values):
        before = self.digest(Model, id_)
        Model.write([Model(id_)], values)
        self.count(Model, id_, 0, self.digest(Model, id_) - before)

    def delete(self, Model, id_):
        before = self.digest(Model, id_)
        Model.delete([Model(id_)])
        self.count(Model, id_, -1, -before)

    def digest(self, Model, id_):
        return crm.MODELS[Model.__name__](Model(id_))

    def count(self, Model, id_, records, difference):
        state = self.state[Model.__name__]
        self.state[Model.__name__] = [state[0] + records, (state[1] + difference) % crm.SUM]


if __name__ == '__main__':
    main()

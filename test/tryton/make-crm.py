"""Makes a Tryton CRM in an empty folder: make-crm.py FOLDER [PARTIES [ATTACHMENTS [URI]]]

FOLDER/trytond.conf, FOLDER/password (of the user admin), FOLDER/data/crm.sqlite and the file store FOLDER/data/crm.
With URI, the database is `crm` on that server instead, where it must be already, and empty.
The database is made by trytond-admin (`admin.py`) with the modules party and sale_opportunity, the records by trytond's models:
as many opportunities as parties, Chinese names among them, some with attachments. The same every time but for dates.
"""
import os
import random
import subprocess
import sys
import time

import crm

DATABASE = 'crm'
PASSWORD = 'Holdfast-test-only-1'

SURNAMES = ['张', '王', '李', '赵', '刘', '陈', '杨', '黄', 'Müller', 'Okafor', 'García', 'Novák', 'Smith', 'Tanaka']
TRADES = ['有限公司', '贸易公司', '科技集团', 'GmbH', 'Ltd', 'S.A.', 'Logistics', 'Studio']
STREETS = ['南京路', '中山路', 'Hauptstraße', 'High Street', 'Rue de Lyon']
CITIES = ['上海', '广州', 'Berlin', 'Leeds', 'Lyon']
NEEDS = ['Wartungsvertrag', 'Website relaunch', '仓库扩建', 'Support renewal', '年度采购', 'Training']


def main():
    folder = os.path.abspath(sys.argv[1])
    parties = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    attachments = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    configuration = create_database(folder, sys.argv[4] if len(sys.argv) > 4 else 'sqlite://')
    pool = crm.start(configuration, DATABASE)
    crm.hurry()
    company = create_company(pool)
    begin = time.monotonic()
    made = create_parties(pool, company, parties)
    create_opportunities(pool, company, made)
    create_attachments(pool, company, made, attachments)
    crm.say(f'{parties} parties, {parties} opportunities, {attachments} attachments '
        f'in {time.monotonic() - begin:.1f} s')


def create_database(folder, uri):
    data = os.path.join(folder, 'data')
    os.makedirs(data)
    configuration = os.path.join(folder, 'trytond.conf')
    with open(configuration, 'w') as file:
        file.write(f'# Tryton for tests\n[database]\nuri = {uri}\n'
            f'path = {data}\n\n[web]\nlisten = 127.0.0.1:8000\n\n'
            '[email]\nuri = smtp://mail.example.org:25\nfrom = crm@example.org\n')
    password = os.path.join(folder, 'password')
    with open(password, 'w') as file:
        file.write(PASSWORD + '\n')
    if uri == 'sqlite://':
        open(os.path.join(data, f'{DATABASE}.sqlite'), 'w').close()
    admin = [sys.executable, '-B', os.path.join(os.path.dirname(__file__), 'admin.py'), '-c', configuration, '-d', DATABASE]
    environment = dict(os.environ, TRYTONPASSFILE=password)
    for more in (['--all', '--email', 'admin@example.org'],
            ['-u', 'party', 'sale_opportunity', '--activate-dependencies']):
        subprocess.run(admin + more, env=environment, check=True)
    return configuration


def create_company(pool):
    with crm.transaction(DATABASE):
        Party, Company = pool.get('party.party'), pool.get('company.company')
        Currency, Employee, User = pool.get('currency.currency'), pool.get('company.employee'), pool.get('res.user')
        currency, = Currency.create([{'name': 'Euro', 'code': 'EUR', 'symbol': '€', 'digits': 2}])
        own, seller = Party.create([{'name': 'Holdfast 测试公司'}, {'name': '王小明'}])
        company, = Company.create([{'party': own.id, 'currency': currency.id}])
        employee, = Employee.create([{'party': seller.id, 'company': company.id}])
        User.write([User(1)], {
                'companies': [('add', [company.id])], 'company': company.id,
                'employees': [('add', [employee.id])], 'employee': employee.id,
                })
        return company.id


def create_parties(pool, company, count):
    chance = random.Random(1)
    made = []
    for first in range(0, count, 500):
        with crm.transaction(DATABASE, company):
            records = pool.get('party.party').create([{
                        'name': f'{chance.choice(SURNAMES)} {chance.choice(TRADES)} {number}',
                        'addresses': [('create', [{
                                        'street': f'{chance.choice(STREETS)} {chance.randint(1, 300)}',
                                        'city': chance.choice(CITIES)}])],
                        'contact_mechanisms': [('create', [{
                                        'type': 'email', 'value': f'contact{number}@example.org'}])],
                        } for number in range(first, min(count, first + 500))])
            made += [record.id for record in records]
    return made


def create_opportunities(pool, company, parties):
    chance = random.Random(2)
    for first in range(0, len(parties), 500):
        with crm.transaction(DATABASE, company):
            pool.get('sale.opportunity').create([{
                        'party': party,
                        'description': f'{chance.choice(NEEDS)} {party}',
                        'comment': ' '.join(chance.choices(NEEDS, k=chance.randint(0, 12))),
                        'amount': chance.randint(100, 99999),
                        'company': company,
                        } for party in parties[first:first + 500]])


def create_attachments(pool, company, parties, count):
    chance = random.Random(3)
    with crm.transaction(DATABASE, company):
        pool.get('ir.attachment').create([{
                    'name': f'合同 {number}.bin' if number % 3 == 0 else f'contract {number}.bin',
                    'type': 'data',
                    'resource': f'party.party,{chance.choice(parties)}',
                    'data': chance.randbytes(chance.randint(500, 40000)),
                    } for number in range(count)])


if __name__ == '__main__':
    main()

"""Asks a Tryton CRM through its own models: ask.py CONFIGURATION DATABASE

Answers one JSON object: the number of the writer's last operation (0: none), counts and checksums of all records model
by model, names of attachments whose file is not in the file store, the names of active scheduled jobs, how many
tasks wait and how many sessions are open, and where mail would go.
"""
import json
import sys

import crm


def main():
    configuration, database = sys.argv[1:3]
    pool = crm.start(configuration, database)
    from trytond.config import config
    with crm.transaction(database):
        Attachment = pool.get('ir.attachment')
        counter = pool.get('sale.opportunity').search([], order=[('id', 'ASC')], limit=1)
        crm.say(json.dumps({
                    'operation': int(counter[0].reference or 0) if counter else 0,
                    'models': crm.sums(pool),
                    'withoutFile': [attachment.name for attachment in Attachment.search([('file_id', '!=', None)])
                        if not attachment.data],
                    'activeJobs': [cron.method for cron in pool.get('ir.cron').search([('active', '=', True)])],
                    'queued': pool.get('ir.queue').search([], count=True),
                    'sessions': pool.get('ir.session').search([], count=True),
                    'mail': config.get('email', 'uri'),
                    }))


if __name__ == '__main__':
    main()

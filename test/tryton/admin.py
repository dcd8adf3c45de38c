"""trytond-admin, with its own arguments, in half the time (see `crm.hurry`)."""
import crm


def main():
    from trytond import commandline
    from trytond.config import config
    options = commandline.get_parser_admin().parse_args()
    config.update_etc(options.configfile)
    crm.hurry()
    from trytond import admin
    admin.run(options)


if __name__ == '__main__':
    main()

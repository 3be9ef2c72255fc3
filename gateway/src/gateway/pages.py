"""stub"""


def views():
    return {}

# innocent -- dict.fromkeys over lists: a dict keeps insertion order
def merge_columns(*tables: list[str]) -> list[str]:
    columns: dict[str, None] = {}
    for table in tables:
        columns.update(dict.fromkeys(table))
    return list(columns)


def header(*tables: list[str]) -> str:
    return ";".join(merge_columns(*tables))

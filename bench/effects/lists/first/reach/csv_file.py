import csv
def save(path, rows):
    with open(path, "w") as f: csv.writer(f).writerows(rows)

"""The MariaDB server that holds goldens: drafts, checks, and publishing in an order that a kill cannot confuse."""

import secrets
from contextlib import closing, suppress
from dataclasses import replace

from layersite.database.golden.api import Draft, Source
from layersite.database.golden.attestation import Attestation, Check
from layersite.database.golden.overlap import overlap
from layersite.database.golden.subset import chosen, emptied
from layersite.database.ledger import used
from layersite.database.mariadb import canaries, checks, ledger
from layersite.database.mariadb.connect import Session, identifier
from layersite.database.mariadb.copy import carry
from layersite.database.mariadb.ddl import Definition, move, read_definition
from layersite.database.mariadb.definitions import definitions
from layersite.database.mariadb.describe import read_schema
from layersite.database.mariadb.hashes import hasher, schema_is_clean
from layersite.database.mariadb.source import MariaDBSource
from layersite.database.mariadb.subset import MariaDBReader
from layersite.model.contract import Contract
from layersite.model.database import Golden, golden_name
from layersite.model.errors import DatabaseError, LayersiteError

__all__ = ["MariaDBServer"]


class MariaDBServer:
    """One server, for goldens of `database`; `nonce` is what values are compared under."""

    def __init__(self, session: Session, database: str, nonce: str) -> None:
        self.session, self.database, self._nonce = session, database, nonce
        self._definitions: dict[str, Definition] = {}

    @property
    def version(self) -> str:
        """The server's version, such as 10.11.19."""
        return str(self.session.one("SELECT version()")).partition("-")[0]

    @property
    def _stem(self) -> str:
        return f"layersite_draft_{self.database.replace('-', '_')[:30]}"

    def clean(self) -> list[str]:
        """Drop what killed builds left; nobody else builds goldens of this database now."""
        stems = (self._stem, golden_name(self.database, "").rstrip("_"))
        names = sorted(name for name in ledger.begun(self.session) if name.rpartition("_")[0] in stems)
        for name in names:
            self.drop(name)
        return names

    def fill(self, source: Source, contract: Contract) -> Draft:
        """Make a draft with the masked rows of `source`; if that fails, nothing of it is left."""
        assert isinstance(source, MariaDBSource)  # noqa: S101  one engine gives both
        name = f"{self._stem}_{secrets.token_hex(4)}"
        ledger.begin(self.session, name)
        try:
            rows = self._fill(name, source, contract)
        except BaseException:
            with suppress(LayersiteError):
                self.drop(name)
            raise
        return Draft(name, rows, source.schema.left_out)

    def _fill(self, name: str, source: MariaDBSource, contract: Contract) -> int:
        dropped = {each for each, action in contract.relations.items() if action == "drop"}
        views = {each: sql for each, sql in source.definition.views.items() if each not in dropped}
        found = self._definitions[name] = replace(source.definition, views=views)
        reader = MariaDBReader(source.session, source.schema, contract)
        part = chosen(reader, source.schema, contract)
        rows = 0
        found.make_database(self.session, name)
        with closing(self.session.another(name)) as draft:
            draft.ask("SET foreign_key_checks = 0")
            found.make_tables(draft)
            for relation in source.schema.relations.values():
                listed = contract.columns(relation.name)
                if relation.kind != "table" or not listed:
                    continue
                actions = {**listed, **emptied(contract, relation.name)}
                for column in [column for column, action in actions.items() if action == "drop"]:
                    draft.ask(f"ALTER TABLE {identifier(relation.name)} DROP COLUMN {identifier(column)}")
                places = part.get(relation.name)
                for condition in ("TRUE",) if places is None else reader.conditions(relation.name, places):
                    rows += carry(source.session, draft, relation, actions, condition)
            found.add_keys(draft)
            found.analyze(draft)
        return rows

    def verify(self, draft: str, source: Source, contract: Contract) -> tuple[Check, ...]:
        """Check a draft, against its source too."""
        assert isinstance(source, MariaDBSource)  # noqa: S101  one engine gives both
        with closing(self.session.another(draft)) as golden:
            structure = checks.structure(golden, source.schema, contract)
            if structure.problems:
                return (structure,)
            golden.ask("SET @layersite_nonce = UNHEX(%s)", self._nonce)
            definition = self._definition(golden)
            text, raw = definition.text, hasher(source.session)
            is_alike = source.version == self.version  # within 10.6, what is written has changed
            return (
                structure,
                definitions(source.definition, definition, contract, is_alike),
                overlap(raw, hasher(golden), source.schema, contract),
                schema_is_clean(text, source.session, raw, source.schema, contract),
                *checks.alone(golden, source.schema, contract),
                canaries.planted(source.session, source.schema, contract),
                canaries.dump_is_clean(golden, text, contract.canaries),
                canaries.files_are_clean(golden, source.session, contract.canaries),
            )

    def _definition(self, draft: Session) -> Definition:
        """Return what a draft will be once it is published."""
        found = self._definitions[draft.database]
        return replace(read_definition(draft), routines=found.routines, views=found.views, triggers=found.triggers)

    def verify_again(self, golden: str, contract: Contract) -> tuple[Check, ...]:
        """Check a published golden by itself."""
        with closing(self.session.another(golden)) as inside:
            found = checks.alone(inside, read_schema(inside), contract)
            return (*found, canaries.dump_is_clean(inside, read_definition(inside).text, contract.canaries))

    def size(self, name: str) -> int:
        """Return how many bytes a database has."""
        sql = (
            "SELECT coalesce(sum(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = %s"
        )
        return int(self.session.one(sql, name))

    def publish(self, draft: str, golden: Golden, attestation: Attestation) -> None:
        """Make the draft a golden: its tables move, what rests on them is made and compared, and last it is recorded.

        Nobody but who may do everything can enter it.
        """
        try:
            ledger.begin(self.session, golden.name)
            with closing(self.session.another(draft)) as inside:
                wanted = self._definition(inside)
            move(self.session, draft, golden.name, self._definitions[draft])
            with closing(self.session.another(golden.name)) as inside:
                made = definitions(wanted, read_definition(inside), Contract(relations={}), is_alike=True)
            if made.problems:
                raise DatabaseError("the golden came out otherwise and was dropped:\n" + "\n".join(made.problems))
            ledger.write(self.session, golden.name, golden, attestation.model_dump(mode="json"))
            ledger.forget(self.session, draft)
        except BaseException:
            with suppress(LayersiteError):
                self.drop(golden.name)
            raise

    def goldens(self) -> list[tuple[Golden, Attestation | None]]:
        """Return the goldens of this database, the newest first."""
        found = [each for each in ledger.entries(self.session).values() if isinstance(each, Golden)]
        mine = sorted((each for each in found if each.database == self.database), key=lambda each: each.built)
        return [(each, ledger.attestation(self.session, each.name)) for each in reversed(mine)]

    def used(self) -> set[str]:
        """Return the names of the goldens that clones rest on."""
        return used(ledger.entries(self.session))

    def drop(self, name: str) -> None:
        """Remove a draft or a golden, if it is there."""
        ledger.remove(self.session, name)

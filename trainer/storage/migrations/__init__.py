"""Steps of the schema, run by `trainer.storage.database.migrate`."""

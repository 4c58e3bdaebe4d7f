-- app: Home Assistant (home automation)
-- orm: SQLAlchemy, Python
-- expect: states.last_updated_ts double precision
-- expect: states.context_id_bin bytea
-- expect: recorder_runs.closed_incorrect boolean
-- expect: recorder_runs.start timestamp without time zone
-- expect: statistics_short_term.mean double precision
CREATE TABLE event_data (data_id INTEGER NOT NULL, hash BIGINT, shared_data TEXT, PRIMARY KEY (data_id));
CREATE TABLE event_types (event_type_id INTEGER NOT NULL, event_type VARCHAR(64), PRIMARY KEY (event_type_id));
CREATE UNIQUE INDEX ix_event_types_event_type ON event_types (event_type);
CREATE TABLE events (event_id INTEGER NOT NULL, event_type CHAR(0), event_data CHAR(0), origin CHAR(0), origin_idx SMALLINT,
  time_fired CHAR(0), time_fired_ts FLOAT, context_id CHAR(0), data_id INTEGER, context_id_bin BLOB, event_type_id INTEGER,
  PRIMARY KEY (event_id), FOREIGN KEY(data_id) REFERENCES event_data (data_id), FOREIGN KEY(event_type_id) REFERENCES event_types (event_type_id));
CREATE INDEX ix_events_time_fired_ts ON events (time_fired_ts);
CREATE INDEX ix_events_context_id_bin ON events (context_id_bin);
CREATE TABLE states_meta (metadata_id INTEGER NOT NULL, entity_id VARCHAR(255), PRIMARY KEY (metadata_id));
CREATE UNIQUE INDEX ix_states_meta_entity_id ON states_meta (entity_id);
CREATE TABLE state_attributes (attributes_id INTEGER NOT NULL, hash BIGINT, shared_attrs TEXT, PRIMARY KEY (attributes_id));
CREATE INDEX ix_state_attributes_hash ON state_attributes (hash);
CREATE TABLE states (state_id INTEGER NOT NULL, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0), event_id SMALLINT,
  last_changed_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT, old_state_id INTEGER, attributes_id INTEGER, origin_idx SMALLINT,
  context_id_bin BLOB, metadata_id INTEGER, PRIMARY KEY (state_id), FOREIGN KEY(old_state_id) REFERENCES states (state_id),
  FOREIGN KEY(attributes_id) REFERENCES state_attributes (attributes_id), FOREIGN KEY(metadata_id) REFERENCES states_meta (metadata_id));
CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE TABLE recorder_runs (run_id INTEGER NOT NULL, start DATETIME NOT NULL, "end" DATETIME, closed_incorrect BOOLEAN NOT NULL,
  created DATETIME NOT NULL, PRIMARY KEY (run_id));
CREATE INDEX ix_recorder_runs_start_end ON recorder_runs (start, "end");
CREATE TABLE statistics_meta (id INTEGER NOT NULL, statistic_id VARCHAR(255), source VARCHAR(32), unit_of_measurement VARCHAR(255),
  has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255), PRIMARY KEY (id));
CREATE UNIQUE INDEX ix_statistics_meta_statistic_id ON statistics_meta (statistic_id);
CREATE TABLE statistics_short_term (id INTEGER NOT NULL, created DATETIME, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT, mean FLOAT,
  min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT, PRIMARY KEY (id), FOREIGN KEY(metadata_id) REFERENCES statistics_meta (id) ON DELETE CASCADE);
CREATE UNIQUE INDEX ix_statistics_short_term_statistic_id_start_ts ON statistics_short_term (metadata_id, start_ts);
CREATE TABLE schema_changes (change_id INTEGER NOT NULL, schema_version INTEGER, changed DATETIME NOT NULL, PRIMARY KEY (change_id));
INSERT INTO event_data VALUES (1, 2877012359, '{"domain":"light","service":"turn_on"}'), (2, 0, '{}');
INSERT INTO event_types VALUES (1, 'call_service'), (2, 'state_changed');
INSERT INTO events VALUES (1,NULL,NULL,NULL,0,NULL,1709290000.123456,NULL,1,x'018df9c1a2b3c4d5e6f708192a3b4c5d',1),
  (2,NULL,NULL,NULL,0,NULL,1709290001.5,NULL,2,x'018df9c1a2b3c4d5e6f708192a3b4c5e',1);
INSERT INTO states_meta VALUES (1,'sensor.temperature'),(2,'light.küche');
INSERT INTO state_attributes VALUES (1,3213123123,'{"unit_of_measurement":"°C","friendly_name":"Temperature"}');
INSERT INTO states VALUES (1,NULL,'21.4',NULL,NULL,NULL,NULL,1709290000.25,NULL,1,0,x'018df9c1a2b3c4d5e6f708192a3b4c5f',1),
  (2,NULL,'unavailable',NULL,NULL,1709289999.0,NULL,1709290010.0000002,1,1,0,NULL,1), (3,NULL,'on',NULL,NULL,NULL,NULL,1709290011.0,NULL,NULL,0,NULL,2);
INSERT INTO recorder_runs VALUES (1,'2024-03-01 10:00:00.123456','2024-03-01 12:00:00.000001',0,'2024-03-01 10:00:05.000000'),
  (2,'2024-03-01 12:00:05.654321',NULL,1,'2024-03-01 12:00:06.000000');
INSERT INTO statistics_meta VALUES (1,'sensor.temperature','recorder','°C',1,0,NULL);
INSERT INTO statistics_short_term VALUES (1,NULL,1709290000.5,1,1709289900.0,21.35,21.0,21.7,NULL,NULL,NULL),(2,NULL,1709290300.5,1,1709290200.0,1e-07,-40.0,1e+300,NULL,NULL,NULL);
INSERT INTO schema_changes VALUES (1,43,'2024-03-01 10:00:00.000000');
-- following
INSERT INTO states (state, last_updated_ts, old_state_id, attributes_id, origin_idx, context_id_bin, metadata_id) VALUES ('21.5', 1709290020.75, 2, 1, 0, x'00', 1);
UPDATE recorder_runs SET "end" = '2024-03-02 00:00:00.999999', closed_incorrect = 0 WHERE run_id = 2;
DELETE FROM events WHERE time_fired_ts < 1709290001.0;
DELETE FROM state_attributes WHERE attributes_id = 9;

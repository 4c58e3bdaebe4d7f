-- app: Navidrome (music)
-- orm: Beego ORM and goose, Go
-- remark: Go writes instants with the zone of its host: such columns stay text
-- expect: media_file.title text
-- expect: media_file.duration double precision
-- expect: media_file.compilation boolean
-- expect: annotation.starred boolean
-- expect: media_file.created_at text
-- expect: user.is_admin boolean
CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
CREATE TABLE user (id varchar(255) not null primary key, user_name varchar(255) default '' not null unique, name varchar(255) collate nocase default '' not null, email varchar(255) default '' not null, password varchar(255) default '' not null,
  is_admin bool default FALSE not null, last_login_at datetime, last_access_at datetime, created_at datetime not null, updated_at datetime not null);
CREATE TABLE media_file (id varchar(255) not null primary key, path varchar(255) default '' not null COLLATE NOCASE, title varchar(255) default '' not null collate NOCASE, album_id varchar(255) default '' not null, artist_id varchar(255) default '' not null, track_number integer default 0 not null,
  year integer default 0 not null, size integer default 0 not null, suffix varchar(255) default '' not null, duration real default 0 not null, bit_rate integer default 0 not null, compilation bool default FALSE not null, created_at datetime, updated_at datetime, full_text varchar(255) default '', lyrics JSONB default '[]',
  rg_album_gain real, sort_title varchar collate NOCASE default '' not null);
CREATE INDEX media_file_title on media_file (title);
CREATE INDEX media_file_path_nocase on media_file (path COLLATE NOCASE);
CREATE INDEX media_file_sort_title on media_file(coalesce(nullif(sort_title,''),title) collate NOCASE);
CREATE TABLE album (id varchar(255) not null primary key, name varchar(255) default '' not null, max_year integer default 0 not null, song_count integer default 0 not null, all_artist_ids varchar, discs jsonb not null default '{}', date varchar(255) default '');
CREATE TABLE annotation (user_id varchar(255) not null REFERENCES user(id) ON DELETE CASCADE ON UPDATE CASCADE, item_id varchar(255) default '' not null, item_type varchar(255) default '' not null, play_count integer default 0, play_date datetime, rating integer default 0, starred bool default FALSE not null, starred_at datetime,
  unique (user_id, item_id, item_type));
CREATE INDEX annotation_starred on annotation (starred);
CREATE TABLE property (id varchar(255) not null primary key, value varchar(1024) default '' not null);
CREATE TABLE playlist_tracks (id integer default 0 not null, playlist_id varchar(255) not null, media_file_id varchar(255) not null);
CREATE UNIQUE INDEX playlist_tracks_pos on playlist_tracks (playlist_id, id);
INSERT INTO goose_db_version VALUES (1,0,1,'2024-03-01 10:00:00'),(2,20200130083147,1,'2024-03-01 10:00:00');
INSERT INTO user VALUES ('u1','admin','Admin','','enc:x',1,'2024-03-01T11:00:00.123456789+01:00',NULL,'2024-03-01 10:00:00+00:00','2024-03-01 10:00:00+00:00');
INSERT INTO media_file VALUES ('m1','/music/a.flac','Für Elise','al1','ar1',1,1810,34567890,'flac',172.04,900,0,'2024-03-01T11:00:00.123456789+01:00','2024-03-01T11:00:00+01:00',' für elise','[]',-7.25,''),
  ('m2','/music/B.mp3','it''s','al1','ar1',2,0,1,'mp3',0.1,320,1,'2024-03-01T11:00:00.1+01:00',NULL,NULL,'[{"lang":"xxx","line":[]}]',NULL,'its');
INSERT INTO album VALUES ('al1','Bagatelles',1810,2,'ar1','{"1":""}','1810-04-27');
INSERT INTO annotation VALUES ('u1','m1','media_file',3,'2024-03-01T12:00:00Z',5,1,'2024-03-01T12:00:01Z'),('u1','al1','album',0,NULL,0,0,NULL);
INSERT INTO property VALUES ('LastScan-/music','1709290000000');
INSERT INTO playlist_tracks VALUES (1,'p1','m1'),(2,'p1','m2');
-- following
UPDATE annotation SET play_count = play_count + 1, play_date = '2024-03-02T12:00:00Z' WHERE user_id = 'u1' AND item_id = 'm1';
DELETE FROM playlist_tracks WHERE playlist_id = 'p1';
INSERT INTO playlist_tracks VALUES (1,'p1','m2'),(2,'p1','m1');
UPDATE media_file SET title = 'FÜR ELISE', path = '/Music/A.flac' WHERE id = 'm1';
